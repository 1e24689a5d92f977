import type { MemberId } from "@quorate/services/raft";
import { hexEncode } from "@quorate/services/std";
import type { HashedRound } from "@quorate/services/verification";
import type { Seat } from "../world-contract";
import { broken } from "./invariant";

/** Comparing replicas, and what comes of it (invariant 11). */
export class Damage {
  private readonly roots = new Map<
    number,
    { readonly member: MemberId; readonly root: string; readonly appliedIndex: number }
  >();
  /** Whose records were damaged since their directory was made. */
  private readonly marked = new Set<MemberId>();

  joined({ id }: Seat): void {
    this.marked.delete(id);
  }

  /** Equal round, equal root: unless something is wrong on that disk, or was when the round began. */
  hashed(seat: Seat, { round, root, appliedIndex }: HashedRound): void {
    if (this.isMarked(seat)) return;
    const found = { member: seat.id, root: hexEncode(root), appliedIndex };
    const known = this.roots.get(round);
    if (known === undefined) {
      this.roots.set(round, found);
    } else if (known.root !== found.root || known.appliedIndex !== appliedIndex) {
      broken(
        "equal roots",
        `${seat.id} finds the root ${found.root} at index ${appliedIndex} in round ${round}, where ${known.member} found ` +
          `${known.root} at ${known.appliedIndex}, and nothing of either was damaged`,
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
