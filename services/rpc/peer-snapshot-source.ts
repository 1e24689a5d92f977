import { Answers, CallingConnection } from "@quorate/proto/calling";
import { FetchSnapshotRequest, FetchSnapshotResponse, PeerServiceDefinition } from "@quorate/proto/raft";
import { methodPath } from "#forward";
import type { MemberId } from "#raft";
import type { Cancellation, ImageChunk, IncomingImage, SnapshotSource } from "#replica";
import { EMPTY_BYTES } from "#std";
import { helloTo, type PeerIdentity } from "./greeting";
import { type MessageSource, PatientStream } from "./patient-stream";
import { BULK_WINDOWS, PEER_KEEPALIVE, PEER_MESSAGE_BYTES_MAX } from "./peer-options";
import { PeerRefusal } from "./peer-refusal";

export interface PeerSnapshotSourceOptions {
  readonly own: PeerIdentity;
  /** host:port of a member's peer service; null where it is not known. */
  readonly addressOf: (member: MemberId) => string | null;
  /** How many changes of the membership this node has applied. */
  readonly epoch: () => number;
  /** How long a peer may take to connect and begin, or to send the next chunk. */
  readonly silenceMsMax?: number;
}

const SILENCE_MS_MAX_DEFAULT = 10_000;

const PATH = methodPath(PeerServiceDefinition, "fetchSnapshot");

type Frames = PatientStream<FetchSnapshotResponse>;

/** Images of the state from peers, each over a connection of its own, so that messages do not wait behind it. */
export class PeerSnapshotSource implements SnapshotSource {
  private readonly options: PeerSnapshotSourceOptions;
  private readonly open = new Set<Frames>();

  constructor(options: PeerSnapshotSourceOptions) {
    this.options = options;
  }

  async fetch(
    from: MemberId,
    resume: { readonly imageId: number; readonly position: Uint8Array } | null,
    cancellation: Cancellation,
  ): Promise<IncomingImage> {
    const frames = this.ask(from, resume, cancellation);
    try {
      const frame = (await frames.next())?.frame;
      if (frame?.$case !== "header") throw new Error(`${from} sent no header`);
      const { imageId, format, index, term, revision } = frame.value;
      const applied = { index: Number(index), term: Number(term) };
      return {
        imageId: Number(imageId),
        header: { format, applied, revision: Number(revision) },
        chunks: chunksOf(frames),
      };
    } catch (error) {
      frames.end();
      throw error;
    }
  }

  /** Breaks off what is under way. Safe to call twice. */
  close(): void {
    for (const frames of [...this.open]) frames.end();
  }

  private ask(
    from: MemberId,
    resume: { readonly imageId: number; readonly position: Uint8Array } | null,
    cancellation: Cancellation,
  ): Frames {
    const { own, addressOf, epoch, silenceMsMax } = this.options;
    const address = addressOf(from);
    if (address === null) throw new Error(`it is not known where ${from} is reached`);
    if (cancellation.aborted) throw new Error("cancelled");
    const request = FetchSnapshotRequest.encode({
      hello: helloTo(from, own, epoch()),
      imageId: BigInt(resume?.imageId ?? 0),
      position: resume?.position ?? EMPTY_BYTES,
    });
    const frames: Frames = new PatientStream(responses(address, request.finish()), {
      silenceMsMax: silenceMsMax ?? SILENCE_MS_MAX_DEFAULT,
      cancellation,
      onEnd: () => this.open.delete(frames),
    });
    this.open.add(frames);
    return frames;
  }
}

/** What a peer answers, over a connection that begins at once and ends with the answers. */
function responses(address: string, request: Uint8Array): MessageSource<FetchSnapshotResponse> {
  const connection = new CallingConnection(
    {
      address,
      messageBytesMax: PEER_MESSAGE_BYTES_MAX,
      keepalive: PEER_KEEPALIVE,
      isProbedWhenIdle: false,
      windows: BULK_WINDOWS,
    },
    // What becomes of the connection is told by the end of the call.
    { ready: () => {}, closed: () => {} },
  );
  const answers = new Answers(({ code, details }) => new PeerRefusal(code, details));
  const stream = connection.call(PATH, {}, answers);
  answers.begin(stream);
  stream.end(request);
  return {
    next: async () => {
      const answer = await answers.next();
      return answer === null ? null : FetchSnapshotResponse.decode(answer);
    },
    cancel: () => {
      stream.cancel();
      connection.destroy();
    },
  };
}

async function* chunksOf(frames: Frames): AsyncGenerator<ImageChunk, void, undefined> {
  try {
    for (let message = await frames.next(); message !== null; message = await frames.next()) {
      const { frame } = message;
      if (frame?.$case !== "chunk") continue;
      const { position, data, checksum, last } = frame.value;
      // A stream that is cancelled rather than ended would make its sender keep the image. All has come, whatever it says.
      if (last) await frames.next().catch(() => null);
      yield { position, data, checksum, isLast: last };
    }
  } finally {
    frames.end();
  }
}
