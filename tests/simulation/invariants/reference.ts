import {
  type Answer,
  byteKey,
  type Change,
  type Command,
  type CommandReads,
  type ConfigurationState,
  changeMembershipCommand,
  checkedCommand,
  DEFAULT_NAMESPACE,
  decodeCommand,
  INITIAL_STATE,
  type MembershipState,
  StateMachine,
  type StateView,
  type StateWrites,
  type StoredRecord,
} from "@quorate/services/kv";
import type { Entry, Index } from "@quorate/services/raft";
import { assert, compareBytes, hexEncode } from "@quorate/services/std";
import type { CommittedChange } from "../../judge/watch-events";
import { StateImage } from "./state-image";

/** One committed command and what it does. */
export interface ReferenceStep {
  readonly index: Index;
  readonly command: Command | null;
  readonly answer: Answer;
  readonly writes: StateWrites;
  /** How many there are afterwards. */
  readonly counts: { readonly sessions: number; readonly leases: number };
  /** Whom the entry makes take part; null where it is not about that. */
  readonly configuration: ConfigurationState | null;
}

const NO_FLOORS = { oldestRevision: 0, firstRevision: 0 } as const;

interface Version {
  readonly revision: number;
  readonly record: StoredRecord | null;
}

/** The committed log, applied one entry at a time: what every replica must be at each index, however it cut its batches. */
export class Reference {
  /** What follows from the entries so far. */
  readonly image: StateImage;
  private readonly machine: StateMachine;
  private readonly newest = new Map<string, StoredRecord>();
  private readonly versions = new Map<string, Version[]>();
  private readonly hashes: number[];
  private readonly revisions: number[] = [0];
  private readonly answers: (Answer | null)[] = [null];
  private readonly names = new Map<number, string>();
  /** By the name of a namespace, for a name may pass to another one. */
  private readonly oldestEver = new Map<string, number>();
  private readonly firstEver = new Map<string, number>();
  private readonly changesOf = new Map<string, CommittedChange[]>();

  /** @param founding those that the cluster begins with */
  constructor(readonly founding: MembershipState = INITIAL_STATE.membership) {
    this.image = new StateImage(founding);
    this.machine = new StateMachine({ ...INITIAL_STATE, membership: founding });
    this.hashes = [this.image.hash];
    for (const { id, name } of INITIAL_STATE.namespaces) this.names.set(id, name);
  }

  get index(): Index {
    return this.hashes.length - 1;
  }

  /** Takes the next committed entry; null for one that holds no command. */
  apply(entry: Entry): ReferenceStep | null {
    assert(entry.index === this.index + 1, "committed entries come in their order");
    const isEmpty = entry.kind === "normal" && entry.data.length === 0;
    const step = isEmpty ? null : this.run(entry);
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

  /** Of all that is committed. */
  get revision(): number {
    return this.machine.meta.revision;
  }

  /** Of a lease, at the end of what is committed. */
  leaseExists(leaseId: number): boolean {
    return this.machine.lease(leaseId) !== null;
  }

  /** Every change of a namespace of that name, in their order; it grows. */
  changes(name: string): readonly CommittedChange[] {
    return this.listOf(name);
  }

  /** The oldest revision that can be read, and the first that can be told; null for no such namespace. */
  floors(name: string): { readonly oldestRevision: number; readonly firstRevision: number } | null {
    const namespace = this.machine.namespace(name);
    if (namespace === null) return null;
    const { compactedRevision } = this.machine.meta;
    return {
      oldestRevision: Math.max(namespace.oldestRevision, compactedRevision),
      firstRevision: Math.max(namespace.firstEventRevision, compactedRevision + 1),
    };
  }

  /** The most that was ever given up in a namespace of that name; empty for the default one. */
  oldestRevisionEver(name: string): number {
    return this.oldestEver.get(name === "" ? DEFAULT_NAMESPACE : name) ?? 0;
  }

  /** The same of what can be told: the highest revision that any watch ever had to begin from. */
  firstRevisionEver(name: string): number {
    return this.firstEver.get(name === "" ? DEFAULT_NAMESPACE : name) ?? 0;
  }

  /** What a key of the namespace of that name held at a revision, as a text; whichever namespace that was. */
  textAt(name: string, key: Uint8Array, revision: number): string | null {
    const hex = hexEncode(key);
    const last = this.listOf(name === "" ? DEFAULT_NAMESPACE : name).findLast(
      (change) => change.revision <= revision && (change.kind === "truncated" || change.key === hex),
    );
    return last === undefined || last.kind === "truncated" ? null : last.record;
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
    const command = entry.data.length === 0 ? this.leaving() : decodeCommand(entry.data);
    // By way of the generated code, for puts too, which members read by hand.
    const checked = command === null ? null : checkedCommand(command);
    const { answers, writes } = this.machine.apply([checked], this.view(this.machine.reads(checked)));
    this.image.apply(writes);
    for (const { id, name } of writes.namespaces) this.names.set(id, name);
    const isCompaction = command?.operation?.$case === "compact";
    const changed = isCompaction ? this.names.values() : writes.namespaces.map(({ name }) => name);
    for (const name of new Set(changed)) {
      const { oldestRevision, firstRevision } = this.floors(name) ?? NO_FLOORS;
      this.oldestEver.set(name, Math.max(this.oldestEver.get(name) ?? 0, oldestRevision));
      this.firstEver.set(name, Math.max(this.firstEver.get(name) ?? 0, firstRevision));
    }
    for (const change of writes.changes) {
      this.note(change);
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
    const { sessionCount: sessions, leaseCount: leases } = this.machine;
    const configuration = entry.kind === "normal" ? null : this.machine.membership.configuration;
    return { index: entry.index, command, answer, writes, counts: { sessions, leases }, configuration };
  }

  /** What the entry without data that ends a joint configuration says. */
  private leaving(): Command {
    const { voters, learners, learnersNext } = this.machine.membership.configuration;
    const left = {
      voters,
      votersOutgoing: [],
      learners: [...learners, ...learnersNext].sort(),
      learnersNext: [],
      autoLeave: false,
    };
    return changeMembershipCommand(left, [], 0);
  }

  private note(change: Change): void {
    const changes = this.listOf(this.names.get(change.namespaceId) as string);
    const { revision } = change;
    if (change.kind === "truncate") {
      changes.push({ kind: "truncated", revision });
      return;
    }
    const key = change.kind === "put" ? change.record.key : change.key;
    const before = this.newest.get(nameOf(change.namespaceId, change.generation, key));
    changes.push({
      kind: change.kind,
      revision,
      key: hexEncode(key),
      record: change.kind === "put" ? recordText(change.record) : null,
      previous: before === undefined ? null : recordText(before),
    });
  }

  private listOf(name: string): CommittedChange[] {
    let changes = this.changesOf.get(name);
    if (changes === undefined) {
      changes = [];
      this.changesOf.set(name, changes);
    }
    return changes;
  }

  private dropGeneration(prefix: string): void {
    for (const name of this.newest.keys()) if (name.startsWith(prefix)) this.newest.delete(name);
  }

  private view({ ranges }: CommandReads): StateView {
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

/** Equal for equal records, and for no others. */
export function recordText(record: StoredRecord): string {
  const { value, createRevision, modRevision, version, leaseId } = record;
  return `${hexEncode(value)}@${createRevision}/${modRevision}/${version}/${leaseId}`;
}

function nameOf(namespaceId: number, generation: number, key: Uint8Array): string {
  return `${namespaceId}/${generation}/${byteKey(key)}`;
}
