import type { StoredRecord } from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import {
  ReadExpired,
  type ReadOutcome,
  type ReadPoint,
  type ReadRequest,
  type Replica,
  StoreFailure,
  type SubmitOutcome,
} from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { World } from "../world-contract";
import type { ClientWatcher } from "./events";

/** What comes back for a write, if anything does. */
export type WriteReply = SubmitOutcome | { readonly kind: "unreachable" };

export type ReadReply =
  | { readonly kind: "read"; readonly point: ReadPoint; readonly record: StoredRecord | null }
  | Exclude<ReadOutcome, ReadPoint>
  | { readonly kind: "unreachable" }
  /** The namespace was truncated meanwhile. */
  | { readonly kind: "expired" };

export interface ReadCall {
  readonly client: string;
  readonly member: MemberId;
  readonly key: Uint8Array;
  readonly request: ReadRequest;
}

export interface WriteCall {
  readonly client: string;
  readonly member: MemberId;
  readonly command: Uint8Array;
}

const LATENCY_US_MIN = 50;
const LATENCY_US_MEAN = 500;

/** The way between clients and members: it takes time, and may lose a call or its reply. */
export class Wire {
  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly lossProbability: number,
    private readonly watcher: ClientWatcher,
  ) {}

  write({ client, member, command }: WriteCall, onReply: (reply: WriteReply) => void): void {
    this.carry<WriteReply>(member, onReply, (replica, reply) => {
      this.watcher.submitted?.({ command });
      void replica.submit(command).then((outcome) => {
        if (outcome.kind === "applied") {
          this.watcher.answered?.({ client, member, command, entry: outcome.entry, answer: outcome.answer });
        }
        reply(outcome);
      });
    });
  }

  read(call: ReadCall, onReply: (reply: ReadReply) => void): void {
    this.carry<ReadReply>(call.member, onReply, (replica, reply) => void this.serve(call, replica, reply));
  }

  private async serve(call: ReadCall, replica: Replica, reply: (reply: ReadReply) => void): Promise<void> {
    const arrivedMs = this.world.seat(call.member).clock.monotonicMs();
    const point = await replica.readPoint(call.request);
    if (point.kind !== "ready") {
      switch (point.kind) {
        case "compacted":
        case "future_revision":
        case "unknown_namespace":
          this.watcher.readRefused?.({ ...call, arrivedMs, outcome: point });
      }
      reply(point);
      return;
    }
    const { namespaceId, generation, revision } = point;
    let record: StoredRecord | null;
    try {
      const query = { namespaceId, generation, revision, keys: [call.key], keysOnly: false };
      [record = null] = await replica.state.records(query);
    } catch (failure) {
      if (failure instanceof ReadExpired) reply({ kind: "expired" });
      else if (!(failure instanceof StoreFailure)) throw failure;
      return;
    }
    this.watcher.read?.({ ...call, arrivedMs, point, record });
    reply({ kind: "read", point, record });
  }

  private carry<Reply>(
    member: MemberId,
    onReply: (reply: Reply | { readonly kind: "unreachable" }) => void,
    run: (replica: Replica, reply: (reply: Reply) => void) => void,
  ): void {
    const reply = (answer: Reply | { readonly kind: "unreachable" }): void =>
      this.send(() => onReply(answer));
    this.send(() => {
      const { condition } = this.world.seat(member);
      if (condition !== "up" && condition !== "paused") reply({ kind: "unreachable" });
      else this.world.call(member, (replica) => run(replica, reply));
    });
  }

  private send(arrive: () => void): void {
    const delayUs = LATENCY_US_MIN - Math.log(1 - this.random.float()) * LATENCY_US_MEAN;
    if (this.random.float() < this.lossProbability) return;
    this.world.timeline.after(delayUs, arrive);
  }
}
