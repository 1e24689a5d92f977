import { join } from "node:path";
import { INITIAL_STATE, type MembershipState } from "#kv";
import { StoreFailure } from "#replica";
import { openDatabase } from "./database";
import { DatabaseHandle } from "./database-handle";
import { syncDirectory } from "./durable-file";
import { RecordWriter } from "./record-writer";
import { freshStateName, pointToState, removeOtherStates } from "./state-directory";
import { writeHead, writeMembership, writeNamespace } from "./state-records";

export const STATE_DATABASE_OPTIONS = {
  // A write buffer well above what one checkpoint covers, so that it is nearly always the checkpoint that empties it.
  sizes: { writeBufferBytes: 8 * 1024 * 1024, blockCacheBytes: 8 * 1024 * 1024 },
  advice: "when the node starts, it is made anew from the log or from another member",
};

/** Makes the state before the first command, complete and synced, the present one; returns its directory's name. */
export async function createFirstState(dataPath: string, founding: MembershipState): Promise<string> {
  const name = await freshStateName(dataPath);
  const path = join(dataPath, name);
  const opened = await openDatabase(path, "create", STATE_DATABASE_OPTIONS);
  if (opened.kind === "locked") throw new StoreFailure(`${path} is in use`, { dataLoss: false });
  const handle = new DatabaseHandle(opened.database, `the state in ${path}`);
  const writer = new RecordWriter();
  const batch = opened.database.batch();
  for (const namespace of INITIAL_STATE.namespaces) writeNamespace(writer, namespace).putInto(batch);
  writeMembership(writer, founding).putInto(batch);
  writeHead(writer, {
    batchNumber: 0,
    applied: { term: 0, index: 0 },
    checkpointNumber: 0,
    meta: INITIAL_STATE.meta,
  }).putInto(batch);
  await handle.write(batch, { sync: true });
  await handle.close();
  await syncDirectory(path);
  await syncDirectory(dataPath);
  await pointToState(dataPath, { name, resetTo: null });
  await removeOtherStates(dataPath, name);
  return name;
}
