import type { MemberId } from "@quorate/services/raft";
import { hexEncode } from "@quorate/services/std";
import type { HashedRound } from "@quorate/services/verification";
import type { Seat, World } from "../world-contract";
import { broken } from "./invariant";

/** Comparing replicas, and what comes of it (invariant 11). */
export class Damage {
  private readonly roots = new Map<
    number,
    { readonly member: MemberId; readonly root: string; readonly appliedIndex: number }
  >();
  /** Whose records were damaged since their directory was made. */
  private readonly marked = new Set<MemberId>();
  /** By member: the last round that it froze its state for, and whether a record of it was damaged by then. */
  private readonly frozen = new Map<MemberId, { readonly round: number; readonly isWrong: boolean }>();
  /** By round: what those found in whose frozen state a record was damaged. */
  private readonly wrongRoots = new Map<number, { readonly member: MemberId; readonly root: string }[]>();

  constructor(private readonly world: Pick<World, "comparesAll">) {}

  joined({ id }: Seat): void {
    this.marked.delete(id);
    this.frozen.delete(id);
  }

  /** It will freeze its state anew for whatever round it comes to. */
  started({ id }: Seat): void {
    this.frozen.delete(id);
  }

  /** The last batch of a round is in the state, which is frozen as it is before the next. */
  written(seat: Seat, round: number): void {
    if (round <= (this.frozen.get(seat.id)?.round ?? 0)) return;
    this.frozen.set(seat.id, { round, isWrong: seat.damagedRecords.length > 0 });
  }

  /** Equal round, equal root: unless something is wrong on that disk, or was when the round began. */
  hashed(seat: Seat, { round, root, appliedIndex }: HashedRound): void {
    const found = { member: seat.id, root: hexEncode(root), appliedIndex };
    const known = this.roots.get(round);
    if (this.isMarked(seat)) {
      if (this.isSeen(seat.id, round)) this.hidden(round, found, known?.root);
      return;
    }
    if (known === undefined) {
      this.roots.set(round, found);
      for (const wrong of this.wrongRoots.get(round) ?? []) this.hidden(round, wrong, found.root);
    } else if (known.root !== found.root || known.appliedIndex !== appliedIndex) {
      broken(
        "equal roots",
        `${seat.id} finds the root ${found.root} at index ${appliedIndex} in round ${round}, where ${known.member} found ` +
          `${known.root} at ${known.appliedIndex}, and nothing of either was damaged`,
      );
    }
  }

  /** Whether what was damaged when it froze its state is among what it reads for that round. */
  private isSeen(member: MemberId, round: number): boolean {
    const frozen = this.frozen.get(member);
    return this.world.comparesAll && frozen?.round === round && frozen.isWrong;
  }

  /** A wrong state and the right one have roots that differ, or nobody would ever know. */
  private hidden(
    round: number,
    wrong: { readonly member: MemberId; readonly root: string },
    right: string | undefined,
  ): void {
    if (right === undefined) {
      this.wrongRoots.set(round, [...(this.wrongRoots.get(round) ?? []), wrong]);
    } else if (right === wrong.root) {
      broken(
        "damage shows in the root",
        `${wrong.member} finds the root ${wrong.root} in round ${round}, as those do of whom nothing was damaged`,
      );
    }
  }

  /** It changes its own state because others have another. */
  heals(seat: Seat, what: string): void {
    if (this.isMarked(seat)) return;
    broken("damage is found and repaired", `${seat.id} ${what}, of which nothing was damaged`);
  }

  /** All was healed, and there was time enough to compare. */
  ended({ id, condition, damagedRecords }: Seat): void {
    const [left] = damagedRecords;
    if (condition !== "up" || left === undefined) return;
    broken(
      "damage is found and repaired",
      `${id} ends with another record of the key ${hexEncode(left.key)} than was ever written`,
    );
  }

  /** Whether anything on that disk was ever stored otherwise than it was written. */
  isMarked({ id, damagedRecords }: Seat): boolean {
    if (damagedRecords.length > 0) this.marked.add(id);
    return this.marked.has(id);
  }
}
