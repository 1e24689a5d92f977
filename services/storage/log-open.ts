import { mkdir } from "node:fs/promises";
import { EMPTY_HARD_STATE, type EntryId } from "#raft";
import { type LogStore, StoreFailure } from "#replica";
import { type DirectoryLock, lockDirectory } from "./directory-lock";
import { isDirectory } from "./durable-file";
import { errorCode, errorText } from "./error-fields";
import { LogContents } from "./log-contents";
import { DirectoryLogDisk, type LogDisk } from "./log-disk";
import { LogFiles, type OpenSegment } from "./log-files";
import { LogRecordWriter } from "./log-record";
import { type FoundLog, findLog } from "./log-scan";
import { newHeader, segmentName } from "./log-segment";
import { SegmentLogStore } from "./log-store";
import { StoreEnding } from "./store-ending";

export interface LogStoreOptions {
  /** The directory of the segments. */
  readonly path: string;
  /** Of the newest entries kept in memory. */
  readonly tailBytesMax: number;
  /** A segment takes no more records when it has so many bytes. */
  readonly segmentBytesMax: number;
}

export type LogStoreOpened =
  | { readonly kind: "opened"; readonly log: LogStore }
  /** Another process has it open. */
  | { readonly kind: "locked" };

const ADVICE = "start this member anew from its peers, or restore the whole data directory";

/**
 * What says of a file that it cannot be had any more: the disk does not read it, or it is gone though it was there a moment
 * ago. What has no code is not of the system: something was read that makes no sense. Whatever else keeps a file from being
 * read, such as a lack of descriptors, memory or rights, says nothing of the data.
 */
const LOSS_CODES: readonly (string | null)[] = ["EIO", "EBADMSG", "EUCLEAN", "ENOENT", null];

/** Makes an empty log that goes on after an entry that is committed; durable when it resolves. */
export async function createLog(path: string, after: EntryId): Promise<void> {
  await mkdir(path);
  const lock = await lockDirectory(path);
  if (lock === null) throw new StoreFailure(`${path} is in use`, { dataLoss: false });
  try {
    await createLogOn(new DirectoryLogDisk(path), after);
  } finally {
    await lock.release();
  }
}

/** Makes the first segment, with a record that says where the log begins. */
export async function createLogOn(disk: LogDisk, { term, index }: EntryId): Promise<void> {
  const { header, bytes } = newHeader(1);
  const writer = new LogRecordWriter();
  const begin = { term, index };
  const hardState = { ...EMPTY_HARD_STATE, term, commit: index };
  writer.begin({ begin, after: begin, entries: [], hardState });
  const record = writer.finish({ salt: header.salt, crcBefore: 0, seals: false }).bytes;
  const file = await disk.create(segmentName(header.number), Uint8Array.of(...bytes, ...record), 0);
  await file.close();
}

/**
 * Opens a log and verifies all of it: see findLog().
 *
 * @throws StoreFailure, with dataLoss where it is damaged
 */
export async function openLogStore(options: LogStoreOptions): Promise<LogStoreOpened> {
  const { path } = options;
  if (!(await isDirectory(path))) throw damage(path, "its directory is missing");
  const lock = await lockDirectory(path);
  if (lock === null) return { kind: "locked" };
  try {
    return { kind: "opened", log: await openLogOn(new DirectoryLogDisk(path), { ...options, lock }) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The same on any disk. The store releases the lock when it is closed. */
export async function openLogOn(
  disk: LogDisk,
  options: LogStoreOptions & { readonly lock: DirectoryLock },
): Promise<LogStore> {
  const { path, segmentBytesMax, lock } = options;
  const contents = new LogContents(options.tailBytesMax);
  const found = await scanned(disk, path, contents);
  const ending = new StoreEnding(`the log in ${path}`);
  const segments: OpenSegment[] = [];
  try {
    for (const header of found.headers) {
      segments.push({ header, file: await disk.open(segmentName(header.number)) });
    }
    await mend(disk, found, { segments, segmentBytesMax });
    const files = new LogFiles(disk, ending, { ...found, segments }, segmentBytesMax);
    await files.prepareNext();
    ending.check();
    files.removeNumbers(found.leftovers);
    files.removeBefore(contents.firstSegment ?? Number.POSITIVE_INFINITY);
    return new SegmentLogStore({ ending, files, contents, release: () => lock.release() });
  } catch (error) {
    for (const { file } of segments) await file.close();
    throw ending.fault("could not be opened", error);
  }
}

async function scanned(disk: LogDisk, path: string, contents: LogContents): Promise<FoundLog> {
  try {
    const found = await findLog(disk, contents);
    if (found.kind === "damaged") throw damage(path, found.what);
    return found;
  } catch (error) {
    if (error instanceof StoreFailure) throw error;
    throw new StoreFailure(`the log in ${path} cannot be read: ${errorText(error)}`, {
      dataLoss: LOSS_CODES.includes(errorCode(error)),
      cause: error,
    });
  }
}

/**
 * Cuts off what a crash tore, gives the segment that is written to its size, and writes the last record once more: it may
 * be one that the system has in memory and the disk has not, for its process was killed, or its sync had failed; and from
 * now on it counts. Those before it were durable when it was begun.
 */
async function mend(
  disk: LogDisk,
  found: FoundLog,
  open: { readonly segments: readonly OpenSegment[]; readonly segmentBytesMax: number },
): Promise<void> {
  for (const number of found.torn) await disk.remove(segmentName(number));
  const { file } = open.segments.at(-1) as OpenSegment;
  if (found.isTorn) await file.resize(found.offset);
  const hasBytes = found.isTorn ? found.offset : found.fileBytes;
  if (hasBytes < open.segmentBytesMax) await file.resize(open.segmentBytesMax);
  const { place, bytes } = found.last;
  await open.segments.find(({ header }) => header.number === place.segment)?.file.write(bytes, place.offset);
}

function damage(path: string, what: string): StoreFailure {
  return new StoreFailure(
    `the log in ${path} is damaged: ${what}; this node must not vote or serve with it: ${ADVICE}`,
    { dataLoss: true },
  );
}
