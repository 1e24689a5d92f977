import { bytesEqual, EMPTY_BYTES } from "#std";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { KeySpace } from "./key-hash";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { readRevisions, type StoredChange } from "./revision-records";
import { placeKey, rangeOfHistory } from "./state-layout";
import { type ChangePlace, comparePlaces, isSamePlace, oldestAfter } from "./version-chain";
import { isRepaired, linkOf, modRevisionOf, toldOf } from "./version-records";

/** A version that is looked for. */
export interface SoughtVersion {
  readonly key: Uint8Array;
  /** Its `newest` row, or one that a later change took the place of. */
  readonly row: Uint8Array;
  /** The version is that which was newest as of this revision. */
  readonly revision: number;
  /** Of a key that was put right: as it was told, and not as it is read. */
  readonly asTold: boolean;
}

interface RowIterator {
  seek(key: Uint8Array): void;
  nextv(count: number): Promise<readonly (readonly [Uint8Array, Uint8Array])[]>;
  close(): Promise<void>;
}

interface Walk {
  readonly sought: SoughtVersion;
  readonly position: number;
  place: ChangePlace;
}

/**
 * Goes back from newer versions of keys of one generation to older ones, in one snapshot: from each to the change that
 * made it or, by an anchor, to an older one; that has in its row what it took the place of. All keys take their steps
 * together, in the order of the changes, so that a row which many of them need is read once a step.
 */
export class VersionWalk {
  private readonly writer = new RecordWriter();
  private iterator: RowIterator | null = null;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: Pick<RecordSource, "checked" | "revisionRows">,
    private readonly space: KeySpace,
    private readonly snapshot: DatabaseSnapshot,
  ) {}

  /** The rows of the versions that are looked for, in their order; empty where there was none. */
  async versions(sought: readonly SoughtVersion[]): Promise<readonly Uint8Array[]> {
    const found: Uint8Array[] = [];
    let walks: Walk[] = [];
    for (const [position, each] of sought.entries()) {
      const step = stepFrom(each.row, each);
      found.push(step.row);
      if (step.place !== null) walks.push({ sought: each, position, place: step.place });
    }
    while (walks.length > 0) {
      walks.sort((left, right) => comparePlaces(left.place, right.place));
      const left: Walk[] = [];
      for (const walk of walks) {
        const step = stepFrom(await this.replacedAt(walk.place, walk.sought.key), walk.sought);
        found[walk.position] = step.row;
        if (step.place === null) continue;
        walk.place = step.place;
        left.push(walk);
      }
      walks = left;
    }
    return found;
  }

  async close(): Promise<void> {
    await this.iterator?.close();
  }

  /** What the change at that place, which is of that key, took the place of. */
  private async replacedAt(place: ChangePlace, key: Uint8Array): Promise<Uint8Array> {
    const change = (await this.rowOf(place)).find((each) => isSamePlace(each, place));
    const isOfKey = change?.generation === this.space.generation && bytesEqual(change.key, key);
    if (!isOfKey) {
      throw this.handle.damaged(`the change of a key at revision ${place.revision} is missing`);
    }
    return change.replaced;
  }

  private async rowOf(place: ChangePlace): Promise<readonly StoredChange[]> {
    const { revisionRows } = this.source;
    const { namespaceId } = this.space;
    const cached = revisionRows.find(namespaceId, place);
    if (cached !== null) return cached;
    const row = await this.readRow(place);
    revisionRows.add(namespaceId, row);
    return row;
  }

  private async readRow(place: ChangePlace): Promise<readonly StoredChange[]> {
    this.handle.check();
    const { namespaceId } = this.space;
    try {
      this.iterator ??= this.handle.database.iterator({
        ...rangeOfHistory(this.writer, namespaceId),
        snapshot: this.snapshot,
      });
      this.iterator.seek(placeKey(this.writer, namespaceId, place).takeKey());
      const [found] = await this.iterator.nextv(1);
      this.handle.check();
      return found === undefined ? [] : readRevisions(this.source.checked(found[0], found[1]));
    } catch (error) {
      throw this.handle.fault("could not be read", error);
    }
  }
}

/** The row that has the version, or at which change to look for it. */
interface Step {
  readonly row: Uint8Array;
  readonly place: ChangePlace | null;
}

const NOT_THERE: Step = { row: EMPTY_BYTES, place: null };

function stepFrom(row: Uint8Array, sought: Pick<SoughtVersion, "revision" | "asTold">): Step {
  const { revision, asTold } = sought;
  if (row.length === 0) return NOT_THERE;
  if (!isRepaired(row)) {
    const isReached = modRevisionOf(row) <= revision;
    return { row, place: isReached ? null : oldestAfter(linkOf(row), revision) };
  }
  const modRevision = modRevisionOf(row);
  const told = toldOf(row);
  // Where nothing was told of the version by which it was put right, that is all that is known of it.
  const isReached = asTold
    ? modRevision === revision && modRevisionOf(told) < revision
    : modRevision <= revision;
  if (isReached) return { row, place: null };
  return stepFrom(told, sought);
}
