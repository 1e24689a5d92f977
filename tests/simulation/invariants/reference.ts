import {
  type Answer,
  byteKey,
  type Command,
  decodeCommand,
  INITIAL_STATE,
  StateMachine,
  type StateReads,
  type StateView,
  type StateWrites,
  type StoredRecord,
} from "@quorate/services/kv";
import type { Entry, Index } from "@quorate/services/raft";
import { assert, compareBytes } from "@quorate/services/std";
import { StateImage } from "./state-image";

/** One committed command and what it does. */
export interface ReferenceStep {
  readonly index: Index;
  readonly command: Command | null;
  readonly answer: Answer;
  readonly writes: StateWrites;
}

interface Version {
  readonly revision: number;
  readonly record: StoredRecord | null;
}

/** The committed log, applied one entry at a time: what every replica must be at each index, however it cut its batches. */
export class Reference {
  /** What follows from the entries so far. */
  readonly image = new StateImage();
  private readonly machine = new StateMachine(INITIAL_STATE);
  private readonly newest = new Map<string, StoredRecord>();
  private readonly versions = new Map<string, Version[]>();
  private readonly hashes: number[] = [this.image.hash];
  private readonly revisions: number[] = [0];
  private readonly answers: (Answer | null)[] = [null];

  get index(): Index {
    return this.hashes.length - 1;
  }

  /** Takes the next committed entry; null for one that holds no command. */
  apply(entry: Entry): ReferenceStep | null {
    assert(entry.index === this.index + 1, "committed entries come in their order");
    const step = entry.data.length === 0 ? null : this.run(entry);
    this.hashes.push(step === null ? (this.hashes.at(-1) as number) : this.image.hash);
    this.revisions.push(this.machine.meta.revision);
    this.answers.push(step?.answer ?? null);
    return step;
  }

  /** The hash of the whole state after the entry at that index; undefined where nothing is committed. */
  hashAt(index: Index): number | undefined {
    return this.hashes[index];
  }

  revisionAt(index: Index): number | undefined {
    return this.revisions[index];
  }

  answerAt(index: Index): Answer | null | undefined {
    return this.answers[index];
  }

  /** What a key held at a revision. */
  recordAt(
    place: { readonly namespaceId: number; readonly generation: number },
    key: Uint8Array,
    revision: number,
  ) {
    const versions = this.versions.get(nameOf(place.namespaceId, place.generation, key));
    return versions?.findLast((version) => version.revision <= revision)?.record ?? null;
  }

  private run(entry: Entry): ReferenceStep {
    const command = decodeCommand(entry.data);
    const { answers, writes } = this.machine.apply([command], this.view(this.machine.reads(command)));
    this.image.apply(writes);
    for (const change of writes.changes) {
      if (change.kind === "truncate") {
        this.dropGeneration(`${change.namespaceId}/${change.generation}/`);
        continue;
      }
      const record = change.kind === "put" ? change.record : null;
      const key = change.kind === "put" ? change.record.key : change.key;
      const name = nameOf(change.namespaceId, change.generation, key);
      if (record === null) this.newest.delete(name);
      else this.newest.set(name, record);
      const versions = this.versions.get(name);
      if (versions === undefined) this.versions.set(name, [{ revision: change.revision, record }]);
      else versions.push({ revision: change.revision, record });
    }
    const answer = answers[0];
    assert(answer !== undefined, "a command has an answer");
    return { index: entry.index, command, answer, writes };
  }

  private dropGeneration(prefix: string): void {
    for (const name of this.newest.keys()) if (name.startsWith(prefix)) this.newest.delete(name);
  }

  private view({ ranges }: StateReads): StateView {
    return {
      get: (namespaceId, generation, key) => this.newest.get(nameOf(namespaceId, generation, key)) ?? null,
      range: (position) => {
        const range = ranges[position];
        assert(range !== undefined, "a command reads only the ranges that it declared");
        const prefix = `${range.namespaceId}/${range.generation}/`;
        return [...this.newest]
          .filter(([name]) => name.startsWith(prefix))
          .map(([, record]) => record)
          .filter(({ key }) => compareBytes(key, range.start) >= 0)
          .filter(({ key }) => range.end === null || compareBytes(key, range.end) < 0)
          .sort((left, right) => compareBytes(left.key, right.key))
          .slice(0, range.limit);
      },
    };
  }
}

function nameOf(namespaceId: number, generation: number, key: Uint8Array): string {
  return `${namespaceId}/${generation}/${byteKey(key)}`;
}
