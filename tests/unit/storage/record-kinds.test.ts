import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { StoredRecord } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { RecordReader } from "../../../services/storage/record-reader";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, GENERATION, NAMESPACE_ID, NEWEST, put } from "../../compliance/state-samples";
import { isKeptAsInteger, isSameKind } from "../../support/v8-kinds";

const KEYS = 300;
const VALUE = "v".repeat(300);

/*
 * Records of more than one kind (V8: map) make all that uses them slower, and objects of a kind that was given up are changed one by
 * one: a scan that did so took a tenth off the puts that came after it.
 */
let rig: LevelRig;
let state: StateStore;

beforeEach(async () => {
  rig = await LevelRig.create();
  state = await rig.openState();
  const changes = Array.from({ length: KEYS }, (_, at) => put(keyAt(at), VALUE, at + 1));
  await state.write(batch(1, changes));
  await state.checkpoint();
});

afterEach(() => rig.dispose());

function keyAt(at: number): string {
  return `k${String(at).padStart(4, "0")}`;
}

async function looked(key: string): Promise<StoredRecord> {
  const query = { namespaceId: NAMESPACE_ID, generation: GENERATION, keys: [bytes(key)] };
  const found = await state.records({ ...query, revision: NEWEST, keysOnly: false });
  return found[0] as StoredRecord;
}

async function scanned(keysOnly = false): Promise<StoredRecord> {
  const query = { namespaceId: NAMESPACE_ID, generation: GENERATION, start: bytes(""), end: null };
  const chunks = state.scan({ ...query, revision: NEWEST, reverse: false, keysOnly, recordsWanted: KEYS });
  const records: StoredRecord[] = [];
  for await (const chunk of chunks) records.push(...chunk);
  expect(records).toHaveLength(KEYS);
  return records[KEYS - 1] as StoredRecord;
}

test("a record is of one kind, whether looked up, scanned, or scanned again from what a scan has kept", async () => {
  const first = await looked(keyAt(0));
  const others = [
    await scanned(),
    await scanned(),
    await scanned(true),
    await looked(keyAt(1)),
    await looked(keyAt(KEYS - 1)),
  ];
  expect(others.map((other) => isSameKind(first, other))).toEqual(others.map(() => true));
});

test("a number of 64 bits that is read is an integer where it has 32", () => {
  const seven = new RecordReader(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 7)).u64();
  expect(seven).toBe(7);
  expect(isKeptAsInteger(seven)).toBe(true);
});
