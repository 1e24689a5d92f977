import type { MemberId } from "#raft";
import type { Direction } from "./filter";

/** Who cannot reach whom. Partition, isolation and single cuts add up; a new partition takes the place of the old one. */
export class Cuts {
  /** The number of each member's group; a member in none is missing. */
  private groups: ReadonlyMap<MemberId, number> = new Map();
  private readonly isolated = new Set<MemberId>();
  private readonly directions = new Set<string>();

  isCut({ from, to }: Direction): boolean {
    if (this.isolated.has(from) || this.isolated.has(to)) return true;
    const group = this.groups.get(from);
    const other = this.groups.get(to);
    if (group !== undefined && other !== undefined && group !== other) return true;
    return this.directions.has(directionKey({ from, to }));
  }

  /** Members of different groups cannot reach each other; who is in no group is reached by all. */
  partition(groups: readonly (readonly MemberId[])[]): void {
    this.groups = new Map(groups.flatMap((members, group) => members.map((id) => [id, group] as const)));
  }

  isolate(id: MemberId): void {
    this.isolated.add(id);
  }

  cut(direction: Direction): void {
    this.directions.add(directionKey(direction));
  }

  /** Undoes one cut, and neither partition nor isolation. */
  mend(direction: Direction): void {
    this.directions.delete(directionKey(direction));
  }

  heal(): void {
    this.groups = new Map();
    this.isolated.clear();
    this.directions.clear();
  }
}

/** A name for the direction: ids hold no ">". */
export function directionKey({ from, to }: Direction): string {
  return `${from}>${to}`;
}
