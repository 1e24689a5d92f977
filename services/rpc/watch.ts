import { WatchRequest } from "@quorate/proto/kv";
import { type ByteCall, type ByteSink, CallFailure, callerLeft } from "#forward";
import { unreachable } from "#std";
import type { Watch } from "#watch";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { invalid } from "./request-fields";
import { WatchEncoder, watchIdField } from "./watch-encoding";
import { checkWatch } from "./watch-fields";

/** While so much waits to be sent no more requests are read: each may make an answer. */
const READY_MAX = 1024;

/** A watch of this stream. */
interface StreamWatch {
  readonly watch: Watch;
  readonly idField: Uint8Array;
  readonly watchId: bigint;
  /** For the words of its end. */
  readonly namespace: string;
  /** Whether it waits for its turn. */
  isReady: boolean;
}

type Turn = StreamWatch | { readonly answer: Uint8Array };

/** Serves a stream of watches until its caller has said all and the last watch has ended, or the caller leaves. */
export async function watch(
  node: NodeContext,
  call: ByteCall,
  source: AsyncIterable<Buffer>,
  sink: ByteSink,
): Promise<void> {
  const stream = new WatchStream(node, sink);
  // Where nothing happens nothing is written, and the requests may have ended long before their caller leaves.
  call.addEventListener("abort", () => stream.leave());
  try {
    await stream.serve(source);
  } finally {
    stream.close();
  }
}

/**
 * The watches of one stream take turns: each that has something to tell sends one message, then the next one does. While
 * the caller takes nothing, nothing is taken from the watches: they fill, and end by themselves.
 */
class WatchStream {
  private readonly node: NodeContext;
  private readonly sink: ByteSink;
  private readonly encoder: WatchEncoder;
  private readonly watches = new Map<bigint, StreamWatch>();
  private turns: Turn[] = [];
  private nextTurn = 0;
  private isClosed = false;
  /** Set when no more requests come. */
  private ending:
    | { readonly kind: "said_all" }
    | { readonly kind: "failed"; readonly thrown: unknown }
    | null = null;
  private onSomething: () => void = () => {};
  private onRoom: () => void = () => {};

  constructor(node: NodeContext, sink: ByteSink) {
    this.node = node;
    this.sink = sink;
    this.encoder = new WatchEncoder(node);
  }

  async serve(source: AsyncIterable<Buffer>): Promise<void> {
    this.read(source).then(
      () => this.end({ kind: "said_all" }),
      (thrown: unknown) => this.end({ kind: "failed", thrown }),
    );
    for (;;) {
      if (this.ending?.kind === "failed") throw this.ending.thrown;
      const message = this.nextMessage();
      if (message !== null) {
        await this.sink.write(message);
        continue;
      }
      if (this.ending !== null && this.watches.size === 0) return;
      await new Promise<void>((resolve) => {
        this.onSomething = resolve;
      });
    }
  }

  /** The caller takes nothing more. */
  leave(): void {
    this.end({ kind: "failed", thrown: callerLeft() });
  }

  /** Ends what is left. */
  close(): void {
    this.isClosed = true;
    for (const { watch } of this.watches.values()) {
      watch.onReady = null;
      watch.cancel();
    }
    this.watches.clear();
    this.onRoom();
  }

  private get turnCount(): number {
    return this.turns.length - this.nextTurn;
  }

  private nextMessage(): Uint8Array | null {
    for (;;) {
      const turn = this.takeTurn();
      if (turn === undefined) return null;
      if ("answer" in turn) return turn.answer;
      turn.isReady = false;
      const frame = turn.watch.take();
      if (frame === null) continue;
      if (frame.kind === "ended") this.watches.delete(turn.watchId);
      else this.giveTurn(turn);
      return this.encoder.frame(turn.idField, frame, turn.namespace);
    }
  }

  private takeTurn(): Turn | undefined {
    const turn = this.turns[this.nextTurn];
    if (turn === undefined) return undefined;
    this.nextTurn += 1;
    if (this.nextTurn === this.turns.length || this.nextTurn > READY_MAX) {
      this.turns = this.turns.slice(this.nextTurn);
      this.nextTurn = 0;
    }
    if (this.turnCount < READY_MAX) this.onRoom();
    return turn;
  }

  private giveTurn(watch: StreamWatch): void {
    if (watch.isReady) return;
    watch.isReady = true;
    this.turns.push(watch);
    this.onSomething();
  }

  private async read(source: AsyncIterable<Buffer>): Promise<void> {
    for await (const message of source) {
      // It was under way when the stream ended: nobody would end a watch that is opened now.
      if (this.isClosed) return;
      const { request } = decodeRequest(WatchRequest, message);
      switch (request?.$case) {
        case "create":
          this.create(request.value);
          break;
        // One that has ended may be named by a caller who has not heard of it yet: its end says it all.
        case "cancel":
          this.watches.get(request.value.watchId)?.watch.cancel();
          break;
        case "progress":
          this.watches.get(request.value.watchId)?.watch.askProgress();
          break;
        case undefined:
          throw invalid("request must be set");
        default:
          unreachable(request);
      }
      if (this.turnCount >= READY_MAX) {
        await new Promise<void>((resolve) => {
          this.onRoom = resolve;
        });
      }
    }
  }

  private create(create: Parameters<typeof checkWatch>[0]): void {
    const { watchId } = create;
    // An end under this number would be taken for that of the other watch.
    if (this.watches.has(watchId))
      throw invalid(`watch_id ${watchId} is that of another open watch of the stream`);
    const idField = watchIdField(watchId);
    try {
      const spec = checkWatch(create, this.node.limits);
      const watch = this.node.watches.open(spec);
      const opened: StreamWatch = { watch, idField, watchId, namespace: spec.namespace, isReady: false };
      this.watches.set(watchId, opened);
      watch.onReady = () => this.giveTurn(opened);
      this.giveTurn(opened);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      this.turns.push({ answer: this.encoder.refusal(idField, error) });
      this.onSomething();
    }
  }

  private end(ending: NonNullable<WatchStream["ending"]>): void {
    if (this.ending?.kind === "failed") return;
    this.ending = ending;
    this.onSomething();
  }
}
