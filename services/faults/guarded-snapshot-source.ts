import type { MemberId } from "#raft";
import type { Cancellation, ImageChunk, IncomingImage, SnapshotSource } from "#replica";
import type { FailPointName, FailPoints } from "./fail-points";

/** What brings images, between fail points: the question for one, and each chunk of it. An error there breaks the stream. */
export function guardSnapshotSource(source: SnapshotSource, failPoints: FailPoints): SnapshotSource {
  return new GuardedSnapshotSource(source, failPoints);
}

class GuardedSnapshotSource implements SnapshotSource {
  private readonly crashesBefore: number;

  constructor(
    private readonly source: SnapshotSource,
    private readonly failPoints: FailPoints,
  ) {
    this.crashesBefore = failPoints.crashes;
  }

  async fetch(
    from: MemberId,
    resume: Parameters<SnapshotSource["fetch"]>[1],
    cancellation: Cancellation,
  ): Promise<IncomingImage> {
    await this.pass("snapshots.fetch.before");
    const { imageId, header, chunks } = await this.source.fetch(from, resume, cancellation);
    await this.pass("snapshots.fetch.after");
    return { imageId, header, chunks: this.guarded(chunks) };
  }

  private async *guarded(chunks: AsyncIterable<ImageChunk>): AsyncGenerator<ImageChunk> {
    for await (const chunk of chunks) {
      await this.pass("snapshots.chunk.before");
      yield chunk;
      await this.pass("snapshots.chunk.after");
    }
  }

  private async pass(name: FailPointName): Promise<void> {
    if (this.isProcessGone) return neverReturn();
    const verdict = this.failPoints.hit(name);
    switch (verdict.kind) {
      case "go_on":
        return;
      case "error":
        throw new Error(`the stream of the image broke at ${name}, as the test asked`);
      case "crash":
        return neverReturn();
      case "pause":
        await verdict.released;
        if (this.isProcessGone) return neverReturn();
    }
  }

  private get isProcessGone(): boolean {
    return this.failPoints.crashes > this.crashesBefore;
  }
}

/** A call of a process that is gone. */
function neverReturn(): Promise<void> {
  return new Promise(() => undefined);
}
