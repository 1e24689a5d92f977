import type { Cancelling } from "@quorate/services/forward";
import type { ClusterTime } from "./cluster-time";
import type { MemoryEndpoint, WireCall } from "./memory-endpoint";
import { MessageQueue } from "./message-queue";

/** The caller's side of a duplex stream to a node of this process. Throws what the call failed with, or the source. */
export async function* duplexTo(
  endpoint: MemoryEndpoint,
  wire: Omit<WireCall, "cancelling">,
  source: AsyncIterable<Uint8Array>,
  { time, cancelling }: { readonly time: ClusterTime; readonly cancelling: Cancelling | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  cancelling?.addEventListener("abort", leave);
  if (cancelling?.aborted === true) leave();
  const requests = new Requests(source, leave);
  const answers = new MessageQueue(time, null);
  endpoint
    .duplex({ ...wire, cancelling: leaving.signal }, requests, (message) => answers.push(message))
    .then(
      () => answers.end(null),
      (failure: Error) => answers.end(failure),
    );
  try {
    for await (const answer of answers) yield answer;
  } catch (failure) {
    throw requests.failure === null ? failure : requests.failure.thrown;
  } finally {
    cancelling?.removeEventListener("abort", leave);
    leave();
    requests.stop();
  }
}

/** What the caller sends. A source that throws ends the call. */
class Requests implements AsyncIterable<Uint8Array> {
  failure: { readonly thrown: unknown } | null = null;
  private readonly source: AsyncIterator<Uint8Array>;

  constructor(
    source: AsyncIterable<Uint8Array>,
    private readonly leave: () => void,
  ) {
    this.source = source[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.next() };
  }

  stop(): void {
    // Whatever the source says to its end comes too late for the call.
    this.source.return?.().catch(() => {});
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.source.next();
    } catch (thrown) {
      this.failure ??= { thrown };
      this.leave();
      throw thrown;
    }
  }
}
