import { type FetchSnapshotRequest, FetchSnapshotResponse } from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import { type Log, StreamSink } from "#forward";
import type { ServerCall } from "#grpc";
import type { OutgoingImage, Replica } from "#replica";
import type { MemberRegister, PeerIdentity } from "./greeting";
import { checkCaller, PeerRefusal } from "./peer-refusal";

export interface SnapshotSenderOptions {
  readonly own: PeerIdentity;
  readonly replica: Pick<MemberRegister, "membership" | "memberStore"> & Pick<Replica, "images">;
  readonly log: Log;
  /** How many are sent at once: each takes its share of the disk and of the network from those who write. */
  readonly sendingMax?: number;
}

const SENDING_MAX_DEFAULT = 4;

/**
 * Sends images of the state to peers, each no faster than its peer takes it: one chunk is under way and one in hand. An
 * image whose stream breaks is kept by the replica for a while, to be gone on with.
 */
export class SnapshotSender {
  private readonly options: SnapshotSenderOptions;
  /** How each stream under way is ended, by its image. */
  private readonly sending = new Map<number, () => void>();
  private isClosed = false;

  constructor(options: SnapshotSenderOptions) {
    this.options = options;
  }

  /** @returns how to end it when nobody waits for it any more */
  serve(request: FetchSnapshotRequest, call: ServerCall): () => void {
    const ending = new AbortController();
    this.send(request, call, ending).then(
      () => call.end(),
      (error: unknown) => {
        const { log } = this.options;
        const refusal = refusalOf(error);
        const fields = { peer: request.hello?.memberId ?? "", reason: refusal.message };
        if (!call.hasEnded) log.warn(fields, "an image of the state was not sent");
        call.fail(refusal.toStatus());
      },
    );
    return () => ending.abort();
  }

  /** Ends all streams. Safe to call twice. */
  close(): void {
    this.isClosed = true;
    for (const end of this.sending.values()) end();
  }

  private async send(
    request: FetchSnapshotRequest,
    call: ServerCall,
    ending: AbortController,
  ): Promise<void> {
    const { own, replica, log } = this.options;
    const hello = checkCaller(request.hello, own, replica);
    if (this.isClosed) throw new PeerRefusal(Status.UNAVAILABLE, "the node is shutting down");
    const image = this.imageFor(request);
    const { imageId, state } = image;
    const { header } = state;
    const end = (): void => ending.abort();
    this.sending.set(imageId, end);
    try {
      const sink = new StreamSink(call, ending.signal);
      const fields = { peer: hello.memberId, index: header.applied.index, imageId };
      log.info(fields, request.imageId === 0n ? "sending the state to a peer" : "going on sending the state");
      await sink.write(encoded(headerFrame(image)));
      const { position } = request;
      for await (const chunk of state.chunks(position.length === 0 ? null : position)) {
        const { data, checksum, isLast } = chunk;
        const value = { position: chunk.position, data, checksum, last: isLast };
        await sink.write(encoded({ frame: { $case: "chunk", value } }));
        replica.images.touch(imageId);
      }
      await sink.drained();
      if (ending.signal.aborted) return;
      replica.images.sent(imageId);
      log.info(fields, "the state was sent");
    } catch (error) {
      // It failed by itself, not by its stream: nobody can go on with it.
      if (!ending.signal.aborted) replica.images.release(imageId);
      throw error;
    } finally {
      if (this.sending.get(imageId) === end) this.sending.delete(imageId);
    }
  }

  private imageFor({ imageId }: FetchSnapshotRequest): OutgoingImage {
    const { replica, sendingMax } = this.options;
    const wanted = Number(imageId);
    // Whoever goes on with an image has given up the stream before, whether or not this end has noticed.
    this.sending.get(wanted)?.();
    this.sending.delete(wanted);
    if (this.sending.size >= (sendingMax ?? SENDING_MAX_DEFAULT)) throw tooMany();
    if (wanted === 0) {
      const image = replica.images.open();
      if (image === "too_many") throw tooMany();
      return image;
    }
    const image = replica.images.resume(wanted);
    if (image === null) throw new PeerRefusal(Status.NOT_FOUND, `there is no image ${wanted} any more`);
    return image;
  }
}

function headerFrame({ imageId, state }: OutgoingImage): FetchSnapshotResponse {
  const { format, applied, revision } = state.header;
  return {
    frame: {
      $case: "header",
      value: {
        imageId: BigInt(imageId),
        format,
        index: BigInt(applied.index),
        term: BigInt(applied.term),
        revision: BigInt(revision),
      },
    },
  };
}

function encoded(response: FetchSnapshotResponse): Uint8Array {
  return FetchSnapshotResponse.encode(response).finish();
}

function tooMany(): PeerRefusal {
  return new PeerRefusal(Status.RESOURCE_EXHAUSTED, "too many images of the state are being sent");
}

function refusalOf(error: unknown): PeerRefusal {
  if (error instanceof PeerRefusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PeerRefusal(Status.ABORTED, message);
}
