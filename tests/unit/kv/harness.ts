import {
  type Answer,
  type CheckedCommand,
  type Command,
  type CommandSource,
  encodeCommand,
  readCommand,
  StateMachine,
  type StoredRecord,
} from "@quorate/services/kv";
import { compareBytes, utf8Decode, utf8Encode } from "@quorate/services/std";
import { ModelStore } from "./model-store";

/** A machine over a model store, driven as the replica drives it: commands come as bytes, and batches are cut. */
export class Harness {
  readonly store = new ModelStore();
  machine: StateMachine;

  constructor() {
    this.machine = new StateMachine(this.store.resident());
  }

  /** Applies one command in a batch of its own. */
  apply(command: Command): Answer {
    return this.applyEntries([encodeCommand(command)], [])[0] as Answer;
  }

  /**
   * Applies entries in batches of the given sizes, the last one repeated (all in one when there is none); a command
   * that must begin a batch begins a new one.
   */
  applyEntries(entries: readonly Uint8Array[], sizes: readonly number[]): Answer[] {
    const answers: Answer[] = [];
    const commands = entries.map((entry) => readCommand(entry));
    let round = 0;
    while (answers.length < commands.length) {
      const size = sizes[Math.min(round, sizes.length - 1)] ?? commands.length;
      answers.push(...this.applyBatch(commands.slice(answers.length, answers.length + size)));
      round += 1;
    }
    return answers;
  }

  /** A machine loaded from what the store holds, as after a restart. */
  restart(): void {
    this.machine = new StateMachine(this.store.resident());
  }

  get(key: string): StoredRecord | null {
    const bytes = utf8Encode(key);
    return this.store.contents().find((record) => compareBytes(record.key, bytes) === 0) ?? null;
  }

  /** The value as text; null when there is no such key. */
  value(key: string): string | null {
    const record = this.get(key);
    return record === null ? null : utf8Decode(record.value);
  }

  private applyBatch(commands: readonly (CheckedCommand | null)[]): readonly Answer[] {
    const reads = commands.map((command) => this.machine.reads(command));
    const next = reads.findIndex((read, position) => position > 0 && read.startsBatch);
    const last = reads.findIndex((read) => read.endsBatch);
    const length = Math.min(next === -1 ? commands.length : next, last === -1 ? commands.length : last + 1);
    const { answers, writes } = this.machine.apply(
      commands.slice(0, length),
      this.store.read(reads.slice(0, length)),
    );
    this.store.write(writes);
    return answers;
  }
}

/** A source with no request id. */
export const ANYONE: CommandSource = { namespace: "", requestId: null, wallTimeMs: 1_700_000_000_000 };

/** A source with the request id `clientId/sequence/firstUnanswered`. */
export function request(clientId: number, sequence: number, firstUnanswered = 1): CommandSource {
  return { ...ANYONE, requestId: { clientId, sequence, firstUnanswered } };
}

/** A source of session 1 with the request id `1/sequence/firstUnanswered/follows`. */
export function requestBehind(sequence: number, follows: number, firstUnanswered = 1): CommandSource {
  return { ...ANYONE, requestId: { clientId: 1, sequence, firstUnanswered, follows } };
}
