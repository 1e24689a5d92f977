import type { Entry, EntryId, Index, MemberId, Term } from "@quorate/services/raft";
import { assert, bytesEqual } from "@quorate/services/std";
import { broken } from "./invariant";

/** An entry that some member has stored, with the term of the entry before it: the two together fix the whole log up to it. */
export interface KnownEntry {
  readonly entry: Entry;
  readonly previousTerm: Term;
}

/**
 * What the cluster as a whole has: every entry that any member ever stored, and the prefix that is committed. Nobody in
 * the cluster knows as much, so it can tell when two of them disagree.
 */
export class Ledger {
  /** By index; of each term at most one. */
  private readonly known: KnownEntry[][] = [];
  private readonly committed: KnownEntry[] = [];
  /** Of each committed entry the term of the leader that counted it as committed; they only rise. */
  private readonly committedIn: Term[] = [];
  /** How much was committed in earlier terms when the leader of a term was first heard of. */
  private readonly committedAtElection = new Map<Term, Index>();

  /** @param onCommitted called once for each entry that joins the committed prefix, in order */
  constructor(private readonly onCommitted: (entry: Entry) => void) {}

  get committedIndex(): Index {
    return this.committed.length;
  }

  /** The committed entry at an index; undefined past the last. */
  committedEntry(index: Index): Entry | undefined {
    return this.committed[index - 1]?.entry;
  }

  committedTerm(index: Index): Term | undefined {
    return index === 0 ? 0 : this.committed[index - 1]?.entry.term;
  }

  /** A member leads a term that nobody was known to lead. */
  elected(term: Term): void {
    if (!this.committedAtElection.has(term)) this.committedAtElection.set(term, this.committedBefore(term));
  }

  /**
   * How much was committed by leaders of earlier terms: what the leader of a term has to have (Raft paper, 5.4.3). Who has
   * the votes of an old term learns of them late, at times when the leader of a newer one has gone on.
   */
  committedBefore(term: Term): Index {
    let index = this.committedIndex;
    while (index > 0 && (this.committedIn[index - 1] as Term) >= term) index -= 1;
    return index;
  }

  /** A member has stored an entry. */
  stored(entry: Entry, previousTerm: Term, by: MemberId): void {
    const { index, term } = entry;
    let others = this.known[index];
    if (others === undefined) {
      others = [];
      this.known[index] = others;
    }
    for (const other of others) {
      if (other.entry.term === term) {
        checkMatch(other, { entry, previousTerm }, by);
        return;
      }
    }
    const fresh = { entry, previousTerm };
    others.push(fresh);
    if (previousTerm !== term) this.checkCompleteness(fresh, by);
    if (entry.kind !== "normal") this.checkAlone(fresh, by);
  }

  /** Whether an entry of that id was ever stored. */
  knows(id: EntryId): boolean {
    return this.find(id.index, id.term) !== undefined;
  }

  /** A leader counts the entry `id` and all before it as committed. */
  commit(id: EntryId, by: MemberId): void {
    if (id.index <= this.committedIndex) return;
    const chain = this.chain(id, this.committedIndex, by);
    const before = this.committedTerm(this.committedIndex);
    const meets = chain[0] as KnownEntry;
    if (meets.previousTerm !== before) {
      broken(
        "committed prefix",
        `${by} counts ${id.term}/${id.index} as committed, whose log holds term ${meets.previousTerm} at index ` +
          `${this.committedIndex}, where term ${before} is committed`,
      );
    }
    for (const known of chain) {
      this.committed.push(known);
      // A leader counts entries of its own term alone, and others with them (5.4.2).
      this.committedIn.push(id.term);
      this.onCommitted(known.entry);
    }
  }

  /** A member holds that entry as part of its committed prefix. */
  checkCommitted(id: EntryId, by: MemberId, as: string): void {
    const term = this.committedTerm(id.index);
    if (term === undefined) {
      broken(
        "committed prefix",
        `${by} ${as} ${id.term}/${id.index}, but only ${this.committedIndex} entries are committed`,
      );
    }
    if (term !== id.term) {
      broken("committed prefix", `${by} ${as} ${id.term}/${id.index}, but term ${term} is committed there`);
    }
  }

  /** The first entry of a leader's term comes after all that was committed when it was elected, and goes on from it. */
  private checkCompleteness({ entry, previousTerm }: KnownEntry, by: MemberId): void {
    const { term, index } = entry;
    const needed = this.committedAtElection.get(term);
    if (needed === undefined || needed === 0) return;
    if (index <= needed) {
      broken(
        "leader completeness",
        `the leader of term ${term} placed its first entry at index ${index} (stored by ${by}), but ${needed} entries ` +
          "were committed when it was elected",
      );
    }
    const termThere =
      index - 1 === needed
        ? previousTerm
        : this.chain({ term: previousTerm, index: index - 1 }, needed, by)[0]?.previousTerm;
    const committed = this.committedTerm(needed);
    if (termThere !== committed) {
      broken(
        "leader completeness",
        `the log of the leader of term ${term} (stored by ${by}) holds term ${termThere} at index ${needed}, where term ` +
          `${committed} was committed when it was elected`,
      );
    }
  }

  /** A change of the configuration is proposed once the one before it has been committed (thesis 4.1). */
  private checkAlone({ entry, previousTerm }: KnownEntry, by: MemberId): void {
    const { index, term } = entry;
    if (index - 1 <= this.committedIndex) return;
    const before = this.chain({ term: previousTerm, index: index - 1 }, this.committedIndex, by);
    const other = before.find((known) => known.entry.kind !== "normal");
    if (other === undefined) return;
    broken(
      "one change of the configuration at a time",
      `${term}/${index} (stored by ${by}) changes the configuration, and so does ${other.entry.term}/${other.entry.index} ` +
        `before it, where only ${this.committedIndex} entries are committed`,
    );
  }

  /** The entries after `from` up to `id`, in order, as the log that holds `id` has them. */
  private chain(id: EntryId, from: Index, by: MemberId): readonly KnownEntry[] {
    assert(id.index > from, "a chain has a last entry");
    const chain: KnownEntry[] = [];
    let { term } = id;
    for (let index = id.index; index > from; index -= 1) {
      const known = this.find(index, term);
      if (known === undefined) {
        broken(
          "log matching",
          `the log of ${by} up to ${id.term}/${id.index} needs an entry ${term}/${index}, which nobody ever stored`,
        );
      }
      chain.push(known);
      term = known.previousTerm;
    }
    return chain.reverse();
  }

  private find(index: Index, term: Term): KnownEntry | undefined {
    return this.known[index]?.find(({ entry }) => entry.term === term);
  }
}

function checkMatch(first: KnownEntry, second: KnownEntry, by: MemberId): void {
  const { term, index } = first.entry;
  if (first.previousTerm !== second.previousTerm) {
    broken(
      "log matching",
      `the entry ${term}/${index} follows on term ${first.previousTerm} in one log and on term ${second.previousTerm} in ` +
        `that of ${by}`,
    );
  }
  const [left, right] = [first.entry, second.entry];
  if (left === right) return;
  if (left.kind !== right.kind || (left.data !== right.data && !bytesEqual(left.data, right.data))) {
    broken(
      "log matching",
      `the entry ${term}/${index} holds ${left.data.length} bytes of kind ${left.kind} in one log and other ` +
        `${right.data.length} bytes of kind ${right.kind} in that of ${by}`,
    );
  }
}
