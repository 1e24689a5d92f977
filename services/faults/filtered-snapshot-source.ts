import type { MemberId } from "#raft";
import type { Cancellation, ImageChunk, IncomingImage, SnapshotSource } from "#replica";
import type { ImageInterference } from "./image-interference";

/** Images that come through filters: in process or over a real network, on the side of who receives them. */
export class FilteredSnapshotSource implements SnapshotSource {
  constructor(
    private readonly source: SnapshotSource,
    /** Who receives. */
    private readonly to: MemberId,
    private readonly interference: ImageInterference,
  ) {}

  async fetch(
    from: MemberId,
    resume: Parameters<SnapshotSource["fetch"]>[1],
    cancellation: Cancellation,
  ): Promise<IncomingImage> {
    const { imageId, header, chunks } = await this.source.fetch(from, resume, cancellation);
    return { imageId, header, chunks: this.filtered({ imageId, from, chunks }, cancellation) };
  }

  private async *filtered(
    image: Pick<IncomingImage, "imageId" | "chunks"> & { readonly from: MemberId },
    cancellation: Cancellation,
  ): AsyncGenerator<ImageChunk> {
    const { imageId, from } = image;
    let number = 0;
    for await (const chunk of image.chunks) {
      number += 1;
      yield await this.interference.pass({ from, to: this.to, imageId, number, chunk }, cancellation);
    }
  }
}
