import {
  type Configuration,
  EMPTY_HARD_STATE,
  type Entry,
  type EntryId,
  type HardState,
  leftConfiguration,
  type MemberId,
  type Message,
  Raft,
  type Ready,
  type SnapshotOffer,
} from "@quorate/services/raft";
import { configOf, idOf, type NodeConfig, text, textOf } from "./group";
import { MemoryLog } from "./memory-log";

/** A member's state machine: how far it is, and who takes part there. Durable as soon as it is applied. */
export interface AppliedState {
  readonly applied: EntryId;
  readonly configuration: Configuration;
}

/** The command of a change of the configuration says the whole of it. */
export function configurationCommand(configuration: Configuration): Uint8Array {
  return text(JSON.stringify(configuration));
}

/** What an entry makes of the configuration. */
export function configurationAfter(current: Configuration, entry: Entry): Configuration {
  if (entry.kind === "normal") return current;
  return entry.data.length === 0 ? leftConfiguration(current) : (JSON.parse(textOf(entry)) as Configuration);
}

/**
 * A member whose disk and state machine take time: Readys wait, several at once, until it stores them, in order; what is
 * committed waits until it is applied; a state that was offered waits until it is brought.
 */
export class SlowMember {
  readonly log = new MemoryLog();
  raft: Raft;
  state: AppliedState;
  private readonly outstanding: Ready[] = [];
  private toApply: Entry[] = [];
  private hardState: HardState = EMPTY_HARD_STATE;
  private offer: SnapshotOffer | null = null;

  constructor(
    readonly id: MemberId,
    configuration: Configuration,
    private readonly changes: Partial<NodeConfig>,
  ) {
    this.state = { applied: { term: 0, index: 0 }, configuration };
    this.raft = this.started();
  }

  get isIdle(): boolean {
    return this.outstanding.length === 0 && this.toApply.length === 0 && !this.raft.hasReady();
  }

  get durableTerm(): number {
    return this.hardState.term;
  }

  take(): readonly Message[] {
    if (!this.raft.hasReady()) return [];
    const ready = this.raft.takeReady();
    this.outstanding.push(ready);
    this.offer = ready.snapshotOffer ?? this.offer;
    if (this.changes.appliesOnlyDurable === true) this.toApply.push(...ready.committedEntries);
    return ready.messages;
  }

  store(): readonly Message[] {
    const ready = this.outstanding.shift();
    if (ready === undefined) return [];
    this.log.store(ready.entries);
    this.hardState = ready.hardState ?? this.hardState;
    this.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
    if (this.changes.appliesOnlyDurable !== true) this.toApply.push(...ready.committedEntries);
    return ready.messagesAfterPersist;
  }

  /** Applies one entry; null when none waits. */
  apply(): Entry | null {
    const entry = this.toApply.shift();
    if (entry === undefined) return null;
    const { term, index, kind } = entry;
    const configuration = configurationAfter(this.state.configuration, entry);
    this.state = { applied: { term, index }, configuration };
    if (kind !== "normal") this.raft.applyConfiguration(configuration);
    this.raft.applied(index);
    return entry;
  }

  /** Forgets the log up to an entry that is applied and that the core knows to be. */
  compact(share: number): void {
    const applied = this.raft.status().applied;
    const from = this.log.firstIndex() - 1;
    if (applied > from) this.log.compact(from + Math.ceil((applied - from) * share));
  }

  /** Brings the present state of the member that made the offer, if there is one and it is reachable. */
  install(stateOf: (id: MemberId) => AppliedState | null): readonly Message[] {
    const state = this.offer === null ? null : stateOf(this.offer.from);
    if (state === null) return [];
    this.offer = null;
    const sent: Message[] = [];
    while (this.outstanding.length > 0) sent.push(...this.store());
    const { role, commit } = this.raft.status();
    const { applied: last, configuration } = state;
    if (role === "leader" || last.index <= commit) return sent;
    this.state = state;
    this.toApply = [];
    this.log.continueAfter(last);
    if (this.raft.restore({ last, configuration }) !== "restored")
      throw new Error(`${this.id} took no state`);
    return sent;
  }

  /** Loses all that is not on disk. */
  crash(): void {
    this.outstanding.length = 0;
    this.toApply = [];
    this.offer = null;
    this.raft = this.started();
  }

  private started(): Raft {
    const { configuration, applied } = this.state;
    return new Raft({
      ...configOf(this.id, [], this.changes),
      log: this.log,
      configuration,
      hardState: this.hardState,
      appliedIndex: applied.index,
    });
  }
}
