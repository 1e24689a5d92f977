import type { StoredRecord } from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import { ReadExpired, type Replica } from "@quorate/services/replica";
import { compareBytes, EMPTY_BYTES, hexEncode } from "@quorate/services/std";
import type { ClusterTime } from "./cluster-time";
import { ConsistencyError } from "./consistency-error";
import type { Host } from "./host";
import { type Differing, oddOneOut } from "./odd-one-out";

/** How much of a key or value an error shows. */
const SHOWN_BYTES_MAX = 24;

interface Side {
  readonly id: MemberId;
  readonly replica: Replica;
}

/**
 * Waits until the nodes have applied the same entries, and compares what they hold.
 *
 * @throws ConsistencyError where they differ, TestClusterError when they do not come to the same entries in time
 */
export async function verifyConsistency(
  hosts: readonly Host[],
  time: ClusterTime,
  deadlineMs: number,
): Promise<void> {
  for (;;) {
    const sides = await time.until(() => agreeing(hosts), {
      deadlineMs,
      late: () =>
        `the nodes did not come to the same entries within ${deadlineMs} ms (does something still write, or is a node cut off?): ${positions(hosts)}`,
    });
    try {
      await compare(sides);
      return;
    } catch (error) {
      // A namespace was truncated while it was read: what was found until then is void.
      if (!(error instanceof ReadExpired)) throw error;
    }
  }
}

/** The nodes, once all have applied the same entries. */
function agreeing(hosts: readonly Host[]): readonly Side[] | null {
  const sides = hosts.flatMap(({ id, replica }) => (replica === null ? [] : [{ id, replica }]));
  const applied = new Set(sides.map(({ replica }) => replica.status().appliedIndex));
  return applied.size === 1 ? sides : null;
}

function positions(hosts: readonly Host[]): string {
  return hosts
    .map(({ id, replica }) => {
      if (replica === null) return `${id} is down`;
      const { appliedIndex, raft } = replica.status();
      return `${id} has applied ${appliedIndex} of ${raft.last.index}`;
    })
    .join(", ");
}

async function compare(sides: readonly Side[]): Promise<void> {
  // Taken in the same turn as the agreement, before anything else is applied.
  const states = sides.map(({ id, replica }) => ({
    id,
    revision: replica.status().revision,
    namespaces: replica.namespaces(),
  }));
  const revisions = oddOneOut(states, ({ revision }) => `revision ${revision}`);
  if (revisions !== null) throw differing(revisions, "", null, "after the same entries");
  const spaces = oddOneOut(states, ({ namespaces }) =>
    namespaces.map(({ id, name, generation }) => `${name} (${id}, generation ${generation})`).join(", "),
  );
  if (spaces !== null) throw differing(spaces, "", null, "of namespaces");
  const { namespaces, revision } = states[0] ?? { namespaces: [], revision: 0 };
  for (const { name, id, generation } of namespaces) {
    const held = await Promise.all(
      sides.map(async (side) => ({
        id: side.id,
        records: await recordsOf(side.replica, { namespaceId: id, generation, revision }),
      })),
    );
    compareRecords(name, held);
  }
}

interface Held {
  readonly id: MemberId;
  /** In the order of keys. */
  readonly records: readonly StoredRecord[];
}

function compareRecords(namespace: string, sides: readonly Held[]): void {
  const counts = oddOneOut(
    sides,
    ({ records }) => `${records.length} ${records.length === 1 ? "key" : "keys"}`,
  );
  const next = sides.map(() => 0);
  for (;;) {
    const heads = sides.map(({ records }, at) => records[next[at] as number]);
    const key = lowestKey(heads);
    if (key === null) return;
    const here = sides.map(({ id }, at) => {
      const head = heads[at];
      const record = head !== undefined && compareBytes(head.key, key) === 0 ? head : null;
      if (record !== null) next[at] = (next[at] as number) + 1;
      return { id, record };
    });
    const from = firstDifference(here.flatMap(({ record }) => (record === null ? [] : [record.value])));
    const found =
      oddOneOut(
        here,
        ({ record }) => valueText(record, from),
        ({ record }) => (record === null ? "none" : `value ${hexEncode(record.value)}`),
      ) ?? oddOneOut(here, ({ record }) => versionsText(record));
    if (found === null) continue;
    const place = `key ${keyText(key)} of namespace ${namespace}`;
    if (counts !== null) {
      throw differing(
        counts,
        namespace,
        key,
        `in namespace ${namespace}`,
        `; first at ${place}: ${found.text}`,
      );
    }
    throw differing(found, namespace, key, `at ${place}:`);
  }
}

function lowestKey(heads: readonly (StoredRecord | undefined)[]): Uint8Array | null {
  let lowest: Uint8Array | null = null;
  for (const head of heads) {
    if (head !== undefined && (lowest === null || compareBytes(head.key, lowest) < 0)) lowest = head.key;
  }
  return lowest;
}

function differing(
  { node, others, text }: Differing,
  namespace: string,
  key: Uint8Array | null,
  where: string,
  more = "",
): ConsistencyError {
  return new ConsistencyError(`${node} differs from ${others}: ${where} ${text}${more}`, {
    node,
    namespace,
    key,
  });
}

async function recordsOf(
  replica: Replica,
  at: { readonly namespaceId: number; readonly generation: number; readonly revision: number },
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  const range = { ...at, start: EMPTY_BYTES, end: null, reverse: false, keysOnly: false };
  for await (const chunk of replica.state.scan(range)) records.push(...chunk);
  return records;
}

/** The value where it begins to differ from the others. */
function valueText(record: StoredRecord | null, from: number): string {
  if (record === null) return "no such key";
  const { value } = record;
  if (value.length === 0) return "an empty value";
  if (from < SHOWN_BYTES_MAX / 2) return shortHex(value);
  return from < value.length
    ? `from byte ${from} on ${shortHex(value.subarray(from))}`
    : `its end after ${value.length} bytes`;
}

/** The first position at which not all have the same byte. */
function firstDifference(values: readonly Uint8Array[]): number {
  const [one, ...others] = values;
  if (one === undefined) return 0;
  let at = 0;
  while (at < one.length && others.every((other) => other[at] === one[at])) at += 1;
  return at;
}

function versionsText(record: StoredRecord | null): string {
  if (record === null) return "no such key";
  const { createRevision, modRevision, version, leaseId } = record;
  return `created at ${createRevision}, modified at ${modRevision}, version ${version}, lease ${leaseId}`;
}

function keyText(key: Uint8Array): string {
  const text = Buffer.from(key).toString("utf8");
  return /^[\x20-\x7e]+$/.test(text) && text.length <= 80 ? `"${text}" (${shortHex(key)})` : shortHex(key);
}

function shortHex(bytes: Uint8Array): string {
  const shown = hexEncode(bytes.subarray(0, SHOWN_BYTES_MAX));
  return bytes.length > SHOWN_BYTES_MAX ? `${shown}… (${bytes.length} bytes)` : shown;
}
