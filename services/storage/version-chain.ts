import type { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";

/*
 * The changes of a key follow on one another: each keeps, in its `revision` row, the `newest` row that it took the place
 * of, and that names the change which had made it. So what a key was is found by going back from its newest row. Lest a key
 * that is changed a million times is a million steps, a row also names some changes that lie further back: they are
 * counted, and of each power of 8 it names the last change whose number is a multiple of it. To that of the highest power
 * which is still too new one goes first, so no power takes more than 8 steps.
 */

/** A change of a namespace: those of one revision are told apart by their ordinal. */
export interface ChangePlace {
  readonly revision: number;
  readonly ordinal: number;
}

/** Where the version of a key stands among those before it. */
export interface ChainLink extends ChangePlace {
  /** How many changes of the key there were, deletions too; it begins anew where nothing of the key is left. */
  readonly depth: number;
  /** Of 8, 64 and so on: the last change, this one too, whose depth is a multiple of it. */
  readonly anchors: readonly ChangePlace[];
}

const ANCHOR_BASE = 8;

const NO_ANCHORS: readonly ChangePlace[] = [];

/** Of a key that never was. */
export const NO_LINK: ChainLink = { revision: 0, ordinal: 0, depth: 0, anchors: NO_ANCHORS };

/** Of the change at `place` that follows on `before`. */
export function linkAfter(before: ChainLink, { revision, ordinal }: ChangePlace): ChainLink {
  const depth = before.depth + 1;
  if (depth % ANCHOR_BASE !== 0) return { revision, ordinal, depth, anchors: before.anchors };
  const anchors = [...before.anchors];
  const place = { revision, ordinal };
  for (let level = 0, rest = depth; rest % ANCHOR_BASE === 0; level += 1) {
    anchors[level] = place;
    rest /= ANCHOR_BASE;
  }
  return { revision, ordinal, depth, anchors };
}

/** Of the changes after `revision` the oldest that a version names which came after it itself. */
export function oldestAfter(link: ChainLink, revision: number): ChangePlace {
  // A higher power's change is never newer than a lower one's.
  for (let level = link.anchors.length - 1; level >= 0; level -= 1) {
    const anchor = link.anchors[level] as ChangePlace;
    if (anchor.revision > revision) return anchor;
  }
  return link;
}

export function isSamePlace(left: ChangePlace, right: ChangePlace): boolean {
  return left.revision === right.revision && left.ordinal === right.ordinal;
}

export function comparePlaces(left: ChangePlace, right: ChangePlace): number {
  return left.revision - right.revision || left.ordinal - right.ordinal;
}

/** All but the revision, which goes before it. */
export function writeLink(writer: RecordWriter, link: ChainLink): void {
  writer.varint(link.ordinal).varint(link.depth);
  if (link.depth < ANCHOR_BASE) return;
  writer.u8(link.anchors.length);
  let { revision } = link;
  for (const anchor of link.anchors) {
    writer.varint(revision - anchor.revision).varint(anchor.ordinal);
    revision = anchor.revision;
  }
}

export function readLink(reader: RecordReader, revision: number): ChainLink {
  const ordinal = reader.varint();
  const depth = reader.varint();
  if (depth < ANCHOR_BASE) return { revision, ordinal, depth, anchors: NO_ANCHORS };
  const anchors: ChangePlace[] = [];
  let before = revision;
  for (let left = reader.u8(); left > 0; left -= 1) {
    before -= reader.varint();
    anchors.push({ revision: before, ordinal: reader.varint() });
  }
  return { revision, ordinal, depth, anchors };
}

export function skipLink(reader: RecordReader): void {
  reader.varint();
  if (reader.varint() < ANCHOR_BASE) return;
  for (let left = reader.u8() * 2; left > 0; left -= 1) reader.varint();
}
