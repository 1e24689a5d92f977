import type { MemberId } from "@quorate/services/raft";
import type {
  ImageChunk,
  IncomingImage,
  OutgoingImage,
  Replica,
  SnapshotSource,
} from "@quorate/services/replica";
import type { ClusterTime } from "./cluster-time";

/** Brings images of other nodes' states straight from their replicas, a chunk a turn. */
export class MemorySnapshots implements SnapshotSource {
  constructor(
    /** null while the node is down. */
    private readonly replicaOf: (id: MemberId) => Replica | null,
    private readonly time: ClusterTime,
  ) {}

  async fetch(from: MemberId, resume: Parameters<SnapshotSource["fetch"]>[1]): Promise<IncomingImage> {
    const replica = this.replicaOf(from);
    if (replica === null) throw new Error(`${from} is down`);
    const image = resume === null ? replica.images.open() : replica.images.resume(resume.imageId);
    if (image === "too_many") throw new Error(`${from} sends as many images as it may`);
    if (image === null) throw new Error(`${from} does not know that image any more`);
    const { imageId, state } = image;
    const chunks = this.chunks(from, replica, image, resume?.position ?? null);
    return { imageId, header: state.header, chunks };
  }

  private async *chunks(
    from: MemberId,
    replica: Replica,
    { imageId, state }: OutgoingImage,
    after: Uint8Array | null,
  ): AsyncGenerator<ImageChunk> {
    for await (const chunk of state.chunks(after)) {
      await new Promise<void>((resolve) => this.time.after(0, resolve));
      if (this.replicaOf(from) !== replica) throw new Error(`${from} has ended`);
      replica.images.touch(imageId);
      if (chunk.isLast) replica.images.release(imageId);
      yield chunk;
    }
  }
}
