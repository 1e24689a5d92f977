import type { NamespaceState, StoredRecord } from "@quorate/services/kv";
import type { MemoryStateDisk } from "@quorate/services/memory";
import type { Entry, Index, MemberId } from "@quorate/services/raft";
import type { StateBatch } from "@quorate/services/replica";
import { broken } from "./invariant";
import { Reference } from "./reference";
import { StateImage } from "./state-image";

/** The part of a disk that this looks at. */
export type StateDiskImage = Pick<MemoryStateDisk, "applied" | "resident" | "generation">;

const NOTHING: ReadonlySet<string> = new Set();

/** Equal state at equal applied index: each member's against that of the reference (invariant 4). */
export class EqualState {
  private readonly images = new Map<MemberId, StateImage>();

  constructor(
    private readonly reference: Reference,
    /** The committed entry at an index, for a report. */
    private readonly entryAt: (index: Index) => Entry | undefined,
  ) {}

  /**
   * A process begins its life on what the disk holds.
   *
   * @param damaged items that are known to be stored otherwise
   */
  started(member: MemberId, disk: StateDiskImage, damaged: ReadonlySet<string> = NOTHING): void {
    this.images.set(member, this.compareDisk(member, disk, "starts", damaged));
  }

  /** It has put records right, of which nobody had told it that they are wrong. */
  repaired(member: MemberId, disk: StateDiskImage, damaged: ReadonlySet<string>): void {
    this.compareDisk(member, disk, "has repaired itself and is", damaged);
  }

  /** A snapshot took the place of the state. */
  installed(member: MemberId, disk: StateDiskImage): void {
    const image = imageOf(disk);
    this.images.set(member, image);
    this.compare(member, disk.applied.index, image, "is");
  }

  written(member: MemberId, { applied, writes }: StateBatch): void {
    const image = this.images.get(member) ?? new StateImage();
    this.images.set(member, image);
    image.apply(writes);
    this.compare(member, applied.index, image, "is");
  }

  /** What is stored in the end, read anew. */
  ended(member: MemberId, disk: StateDiskImage): void {
    this.compare(member, disk.applied.index, imageOf(disk), "ends");
  }

  /** Returns the image that follows from the log. */
  private compareDisk(
    member: MemberId,
    disk: StateDiskImage,
    how: string,
    damaged: ReadonlySet<string>,
  ): StateImage {
    const image = imageOf(disk);
    const { index } = disk.applied;
    if (damaged.size === 0 || this.reference.hashAt(index) === image.hash) {
      this.compare(member, index, image, how);
      return image;
    }
    const right = this.replayed(index);
    const items = right.difference(image).filter((item) => !damaged.has(item));
    if (items.length === 0) return right;
    broken(
      "equal state",
      `${member} ${how} in another state than its damage explains: ${items.slice(0, 5).join(", ")}`,
    );
  }

  private compare(member: MemberId, index: Index, image: StateImage, how: string): void {
    const expected = this.reference.hashAt(index);
    if (expected === image.hash) return;
    if (expected === undefined) {
      broken(
        "equal state",
        `${member} ${how} at applied index ${index}, but only ${this.reference.index} entries are committed`,
      );
    }
    const items = this.replayed(index).difference(image);
    broken(
      "equal state",
      `${member} ${how} in another state than the committed log gives at index ${index}: ${items.slice(0, 5).join(", ")} ` +
        `(${items.length} items differ)`,
    );
  }

  /** The reference may be ahead of the member, so the state at its index is made once more. */
  private replayed(index: Index): StateImage {
    const again = new Reference(this.reference.founding);
    for (let at = 1; at <= index; at += 1) again.apply(this.entryAt(at) as Entry);
    return again.image;
  }
}

export function imageOf(disk: StateDiskImage): StateImage {
  const resident = disk.resident();
  return StateImage.of(resident, newestRecords(disk, resident.namespaces));
}

export interface NewestRecord {
  readonly namespace: NamespaceState;
  readonly record: StoredRecord;
}

export function* newestRecords(
  disk: StateDiskImage,
  namespaces: readonly NamespaceState[],
): Generator<NewestRecord> {
  for (const namespace of namespaces) {
    const generation = disk.generation(namespace.id, namespace.generation);
    let after: string | null = null;
    for (;;) {
      after = generation.next({ after, start: "", end: null, reverse: false });
      if (after === null) break;
      const record = generation.get(after, Number.MAX_SAFE_INTEGER);
      if (record !== null) yield { namespace, record };
    }
  }
}
