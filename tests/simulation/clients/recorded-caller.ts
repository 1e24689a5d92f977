import {
  appendCommand,
  DEFAULT_LIMITS,
  deleteCommand,
  incrementCommand,
  putCommand,
  Refusal,
  type StoredRecord,
} from "@quorate/services/kv";
import { type Random, utf8Decode, utf8Encode } from "@quorate/services/std";
import type { ArgsOf, HistoryRecorder, OpenOperation, ResultOf } from "../../judge/history-recorder";
import type { Timeline } from "../world-contract";
import type { Caller, Written } from "./caller";
import type { Operation, Task } from "./workload";

export const LINEARIZABLE = {
  consistency: "linearizable",
  minRevision: 0,
  maxStalenessMs: 0,
  revision: 0,
} as const;

const STALE_READS_MAX = 6;
const STALE_PAUSE_US_MAX = 30_000;
const STALENESS_MS_MAX = 2_000;

/** A client whose operations are recorded, one after another. */
export class RecordedCaller {
  constructor(
    readonly caller: Caller,
    private readonly parts: {
      readonly recorder: HistoryRecorder;
      readonly timeline: Timeline;
      readonly random: Random;
    },
  ) {}

  async carryOut(task: Task): Promise<void> {
    const { caller } = this;
    const key = utf8Encode(task.key);
    switch (task.kind) {
      case "get":
        await this.get(task.key);
        return;
      case "stale_get":
        await this.staleGet(task.key);
        return;
      case "put": {
        const open = this.invoke("put", task.key, { value: task.value });
        const put = putOf(key, task.value, null, this.parts.random.below(4) === 0);
        this.record(open, await caller.write((source) => putCommand(source, put)), ({ answer }) => ({
          rev: Number(answer.revision),
        }));
        return;
      }
      case "cas":
        await this.swap(task.key, task.value);
        return;
      case "delete": {
        const open = this.invoke("delete", task.key, {});
        const deletion = { key, returnPrevious: false, expectedModRevision: null };
        this.record(open, await caller.write((source) => deleteCommand(source, deletion)), ({ done }) => ({
          deleted: done.deleted > 0n,
        }));
        return;
      }
      case "incr": {
        const open = this.invoke("incr", task.key, { by: task.by });
        const delta = BigInt(task.by);
        this.record(
          open,
          await caller.write((source) => incrementCommand(source, key, delta)),
          ({ answer, done }) => ({
            value: Number(done.value),
            rev: Number(answer.revision),
          }),
        );
        return;
      }
      case "append": {
        const open = this.invoke("append", task.key, { value: task.value });
        const append = {
          key,
          value: utf8Encode(task.value),
          atStart: false,
          valueBytesMax: DEFAULT_LIMITS.valueBytesMax,
        };
        this.record(open, await caller.write((source) => appendCommand(source, append)), ({ done }) => ({
          value: textOf(done.record?.value),
          rev: Number(done.record?.modRevision),
        }));
      }
    }
  }

  /** Returns whether it was answered, and with what. */
  async get(key: string): Promise<{ readonly record: StoredRecord | null } | null> {
    const { caller, parts } = this;
    const open = this.invoke("get", key, {});
    // What the client has seen was committed, so asking for it must not keep a linearizable read from its answer.
    const minRevision = parts.random.below(4) === 0 ? caller.seenRevision : 0;
    const read = await caller.read(key, { ...LINEARIZABLE, minRevision }, parts.random.below(3) === 0);
    if (read === null) {
      open.fail(this.nowNs);
      return null;
    }
    open.ok(resultOf(read.record), this.nowNs);
    return { record: read.record };
  }

  /**
   * Several in a row, for a member knows how fresh it is only from the reads before. They need not be linearizable, so
   * they are no part of the history: what they are told is judged on the side of the server.
   */
  private async staleGet(key: string): Promise<void> {
    const { caller, parts } = this;
    const { random } = parts;
    const isBounded = random.below(2) === 0;
    const consistency = isBounded ? "linearizable" : "stale";
    for (let left = 1 + random.below(STALE_READS_MAX); left > 0; left -= 1) {
      const minRevision = random.below(2) === 0 ? caller.seenRevision : 0;
      const maxStalenessMs = isBounded ? this.stalenessMs() : 0;
      const read = await caller.read(key, { consistency, minRevision, maxStalenessMs, revision: 0 }, true);
      if (read === null) return;
      await new Promise<void>((resolve) => parts.timeline.after(random.below(STALE_PAUSE_US_MAX), resolve));
    }
  }

  /** As often less than a message takes as more than an election does. */
  private stalenessMs(): number {
    return Math.ceil(STALENESS_MS_MAX ** this.parts.random.float());
  }

  /** By value in the history, by revision in the store: the same, since no value is written twice. */
  private async swap(key: string, value: string): Promise<void> {
    const found = await this.get(key);
    if (found === null) return;
    const { record } = found;
    const open = this.invoke("cas", key, { expect: record === null ? null : textOf(record.value), value });
    const put = putOf(utf8Encode(key), value, BigInt(record?.modRevision ?? 0), false);
    const written = await this.caller.write((source) => putCommand(source, put));
    if (written.kind === "refused" && written.refusal === Refusal.CONDITION_FAILED) {
      open.ok({ swapped: false }, this.nowNs);
      return;
    }
    this.record(open, written, ({ answer }) => ({ swapped: true, rev: Number(answer.revision) }));
  }

  private invoke<Op extends Operation>(op: Op, key: string, args: ArgsOf<Op>) {
    return this.parts.recorder.invoke(this.caller.name, op, key, args, this.nowNs);
  }

  private record<Op extends Operation>(
    open: OpenOperation<Op>,
    written: Written,
    result: (done: Extract<Written, { kind: "done" }>) => ResultOf<Op>,
  ): void {
    switch (written.kind) {
      case "done":
        open.ok(result(written), this.nowNs);
        return;
      case "refused":
      case "not_done":
        open.fail(this.nowNs);
        return;
      case "unknown":
        open.unknown();
    }
  }

  private get nowNs(): bigint {
    return BigInt(this.parts.timeline.nowUs) * 1_000n;
  }
}

function putOf(key: Uint8Array, value: string, expectedModRevision: bigint | null, returnPrevious: boolean) {
  return { key, value: utf8Encode(value), leaseId: 0n, returnPrevious, expectedModRevision };
}

function resultOf(record: StoredRecord | null): { readonly value: string | null; readonly rev?: number } {
  return record === null ? { value: null } : { value: textOf(record.value), rev: record.modRevision };
}

function textOf(bytes: Uint8Array | undefined): string {
  return utf8Decode(bytes ?? new Uint8Array(0)) as string;
}
