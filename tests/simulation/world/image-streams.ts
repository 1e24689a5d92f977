import type { ImageInterference } from "@quorate/services/faults";
import { FilteredSnapshotSource } from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";
import type {
  Cancellation,
  FrozenState,
  ImageChunk,
  IncomingImage,
  Replica,
  SnapshotSource,
} from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { SimulatedSeat } from "./seat";

export interface ImageStreamsOptions {
  readonly seatOf: (id: MemberId) => SimulatedSeat;
  /** Whether bytes get from one to the other and back. */
  readonly isOpen: (from: MemberId, to: MemberId) => boolean;
  readonly random: Random;
  readonly interference: ImageInterference;
  /** Rows have checksums, so what reads them all comes upon the damage before anybody gets it. */
  readonly onDamageFound: (seat: SimulatedSeat) => void;
}

/** How long each chunk takes in the mean; of a world's own choice, so that in some an image takes seconds. */
const CHUNK_US_MEANS = [300, 2_000, 30_000] as const;
/** How often it is looked whether a way that was cut is open again, and when a stream is given up for lost. */
const LOOK_US = 100_000;
const LOST_US = 2_000_000;

/** Streams of images between seats: pulled chunk by chunk, broken when either process ends, still while there is no way. */
export class ImageStreams {
  private readonly open = new Set<ImageStream>();
  private readonly chunkUsMean: number;

  constructor(private readonly options: ImageStreamsOptions) {
    const { random } = options;
    this.chunkUsMean = CHUNK_US_MEANS[random.below(CHUNK_US_MEANS.length)] as number;
  }

  /** For the process that runs on that seat now. */
  sourceFor(seat: SimulatedSeat): SnapshotSource {
    return new FilteredSnapshotSource(
      { fetch: (from, resume, cancellation) => this.fetch(seat, from, resume, cancellation) },
      seat.id,
      this.options.interference,
    );
  }

  /** A process has ended: what it sent or received breaks. */
  ended(id: MemberId): void {
    for (const stream of [...this.open]) {
      if (stream.to.id === id || stream.from.id === id) stream.break(`${id} is gone`);
    }
  }

  private async fetch(
    to: SimulatedSeat,
    from: MemberId,
    resume: Parameters<SnapshotSource["fetch"]>[1],
    cancellation: Cancellation,
  ): Promise<IncomingImage> {
    const stream = new ImageStream(to, this.options.seatOf(from), this.options, this.chunkUsMean);
    this.open.add(stream);
    cancellation.addEventListener("abort", () => stream.break("it is no longer wanted"));
    try {
      const { imageId, state } = await stream.begin(resume?.imageId ?? null);
      const chunks = this.whileOpen(stream, stream.chunks(imageId, state, resume?.position ?? null));
      return { imageId, header: state.header, chunks };
    } catch (error) {
      this.open.delete(stream);
      throw error;
    }
  }

  private async *whileOpen(
    stream: ImageStream,
    chunks: AsyncIterable<ImageChunk>,
  ): AsyncGenerator<ImageChunk> {
    try {
      yield* chunks;
    } finally {
      this.open.delete(stream);
    }
  }
}

class ImageStream {
  private broken: Error | null = null;
  private readonly waiting = new Set<(error: Error) => void>();

  constructor(
    readonly to: SimulatedSeat,
    readonly from: SimulatedSeat,
    private readonly options: Pick<ImageStreamsOptions, "isOpen" | "random" | "onDamageFound">,
    private readonly chunkUsMean: number,
  ) {}

  break(why: string): void {
    this.broken ??= new Error(`the stream of an image from ${this.from.id} broke: ${why}`);
    for (const reject of this.waiting) reject(this.broken);
    this.waiting.clear();
  }

  /** @param imageId one to be gone on with; null for a new one */
  async begin(imageId: number | null): Promise<{ readonly imageId: number; readonly state: FrozenState }> {
    await this.travel();
    const image = await this.atSender(({ images }) =>
      imageId === null ? images.open() : images.resume(imageId),
    );
    if (image === "too_many" || image === null) {
      throw new Error(`${this.from.id} has ${image === null ? "no such image" : "too many images open"}`);
    }
    return image;
  }

  async *chunks(imageId: number, state: FrozenState, after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    const iterator = state.chunks(after)[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.atSender((replica) => {
        replica.images.touch(imageId);
        return iterator.next();
      });
      if (next.done === true) return;
      const chunk = next.value;
      if (chunk.isLast) await this.atSender(({ images }) => images.release(imageId));
      await this.travel();
      yield chunk;
      if (chunk.isLast) return;
    }
  }

  /** Takes time, and more while there is no way. */
  private async travel(): Promise<void> {
    const { options, from, to } = this;
    await this.pass((resolve) => to.after(this.chunkUs(), () => resolve(undefined)));
    for (let waitedUs = 0; !options.isOpen(from.id, to.id); waitedUs += LOOK_US) {
      if (waitedUs >= LOST_US) this.break("there is no way");
      await this.pass((resolve) => to.after(LOOK_US, () => resolve(undefined)));
    }
  }

  /** In the process of the sender, now or when it is resumed. */
  private atSender<Result>(run: (replica: Replica) => Result | Promise<Result>): Promise<Result> {
    const { from } = this;
    const { replica } = from;
    if (replica === null || from.isStrange) this.break("nobody answers");
    if (from.damagedRecords.length > 0) {
      this.options.onDamageFound(from);
      this.break("its state is damaged");
    }
    return this.pass((resolve, reject) => {
      from.enter(() => {
        if (replica === null || from.replica !== replica) return;
        Promise.resolve()
          .then(() => run(replica))
          .then(resolve, reject);
      });
    });
  }

  private pass<Result>(
    begin: (resolve: (result: Result) => void, reject: (error: Error) => void) => void,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.broken !== null) {
        reject(this.broken);
        return;
      }
      this.waiting.add(reject);
      const ended = (): void => {
        this.waiting.delete(reject);
      };
      begin(
        (result) => {
          ended();
          resolve(result);
        },
        (error) => {
          ended();
          reject(error);
        },
      );
    });
  }

  private chunkUs(): number {
    return 50 - Math.log(1 - this.options.random.float()) * this.chunkUsMean;
  }
}
