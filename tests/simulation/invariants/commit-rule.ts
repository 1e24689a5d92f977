import type { ConfigurationState } from "@quorate/services/kv";
import type { EntryId, Index, MemberId, Message, Term } from "@quorate/services/raft";
import { configurationText, isQuorum } from "./configurations";
import { broken } from "./invariant";
import type { Ledger } from "./ledger";
import type { LogImage } from "./member-progress";

/** A member's disk, as far as it can be counted. */
export interface Copy {
  readonly id: MemberId;
  readonly disk: LogImage;
  /** The highest index at which it ever stored an entry. */
  readonly reach: Index;
  /** Its directory was wiped or damaged since: what it held then counted when it said so, and it never votes again. */
  readonly isLost: boolean;
}

/** By which rule an entry becomes committed (invariant 3). */
export class CommitRule {
  constructor(
    private readonly ledger: Ledger,
    private readonly copies: () => readonly Copy[],
    /** Those by which a member may count now: two while it takes up the second. */
    private readonly configurationsOf: (member: MemberId) => readonly ConfigurationState[],
  ) {}

  /** A leader counts everything up to `id.index` as committed; `id.term` is the term that it leads. */
  claimed(leader: MemberId, id: EntryId): void {
    const copies = this.copies();
    if (!this.ledger.knows(id)) {
      const own = copies.find((copy) => copy.id === leader)?.disk;
      const there =
        own !== undefined && id.index <= own.lastIndex
          ? `of term ${own.entryAt(id.index).term}`
          : "not stored";
      broken(
        "commit by counting",
        `${leader}, leading term ${id.term}, counts index ${id.index} as committed, whose entry is ${there}`,
      );
    }
    const holders = copies.filter(({ isLost, reach, disk }) =>
      isLost ? id.index <= reach : holdsDurably(disk, id),
    );
    const holds = (member: MemberId): boolean => holders.some((copy) => copy.id === member);
    const configurations = this.configurationsOf(leader);
    if (!configurations.some((configuration) => isQuorum(configuration, holds))) {
      broken(
        "commit by a durable majority",
        `${leader}, leading term ${id.term}, counts ${id.term}/${id.index} as committed, which only ` +
          `${holders.map((copy) => copy.id).join(", ") || "nobody"} would hold after a crash, where ` +
          `${configurations.map(configurationText).join(", or ")} vote`,
      );
    }
    this.ledger.commit(id, leader);
  }
}

/** Which index a leader may answer a read with (invariant 3; thesis 6.4). */
export class ReadRule {
  /** How much was committed when a read first arrived, by its context: it may come, and be answered, more than once. */
  private readonly arrived = new Map<string, Index>();

  constructor(private readonly ledger: Ledger) {}

  delivered(message: Message): void {
    if (message.kind === "read_index" && !this.arrived.has(message.context))
      this.arrived.set(message.context, this.ledger.committedIndex);
  }

  sent(message: Message): void {
    if (message.kind === "read_index_response") this.answered(message.from, message.term, message);
  }

  private answered(
    leader: MemberId,
    term: Term,
    read: { readonly context: string; readonly index: Index },
  ): void {
    const committed = this.ledger.committedTerm(read.index);
    if (committed !== term) {
      broken(
        "read index",
        `${leader}, leading term ${term}, answers a read with index ${read.index}, where ` +
          `${committed === undefined ? "nothing is committed" : `term ${committed} is committed`}: no entry of its own yet`,
      );
    }
    const needed = this.arrived.get(read.context);
    if (needed !== undefined && read.index < needed) {
      broken(
        "read index",
        `${leader}, leading term ${term}, answers a read with index ${read.index}, but ${needed} entries were committed ` +
          "when the read arrived",
      );
    }
  }
}

function holdsDurably(disk: LogImage, { index, term }: EntryId): boolean {
  if (index <= disk.after.index) return true;
  return index <= disk.syncedIndex && index <= disk.lastIndex && disk.entryAt(index).term === term;
}
