import type { Log } from "#forward";
import { StoreFailure } from "#replica";
import type { PeerIdentity } from "#rpc";
import { assert } from "#std";
import {
  createDataDirectory,
  type DataDirectory,
  type DataDirectoryOutcome,
  type DirectoryRefusal,
  type OpenedStores,
  openDataDirectory,
  openStores,
  rebuildState,
  type StoresOutcome,
} from "#storage";
import { type BringingContext, join, repairState } from "./bringing";
import type { NodeConfig } from "./config";
import { forceNewCluster, isForceDue } from "./forced-cluster";
import { systemClock } from "./platform";
import { rememberPledges } from "./pledging";
import { restore } from "./restoring";
import { dataRefusal, removedRefusal, type StartRefusal, startRefusal } from "./start-refusal";

export type DataOutcome =
  | {
      readonly kind: "opened";
      readonly directory: DataDirectory;
      readonly stores: OpenedStores;
      readonly own: PeerIdentity;
      /** For how long this member may have pledged itself to a leader before it was started. */
      readonly pledgedMs: number;
    }
  | StartRefusal
  | { readonly kind: "aborted" };

type DirectoryOutcome =
  | { readonly kind: "found"; readonly directory: DataDirectory }
  | StartRefusal
  | { readonly kind: "aborted" };

/**
 * Opens the data of a node, or makes it, as its configuration says; brings what is lost and can be had from others.
 *
 * @throws StoreFailure when what is on disk cannot be trusted
 */
export async function openData(config: NodeConfig, log: Log, signal: AbortSignal): Promise<DataOutcome> {
  const context: BringingContext = { config, log, signal };
  const found = await findDirectory(context);
  if (found.kind !== "found") return found;
  const { directory } = found;
  const opened = await openWhole(context, directory);
  if (opened.kind !== "opened") return opened;
  const { stores } = opened;
  if (stores.stateRebuiltBecause !== null) {
    log.warn({ reason: stores.stateRebuiltBecause }, "the state is rebuilt from the log");
  }
  const own = removalOf(directory, stores) ?? ownIdentity(directory, config, stores);
  if (own.kind === "refused") {
    await stores.close();
    return own;
  }
  // Not before the directory is locked: another process may be running on it, and lean on what is remembered there.
  const pledging = await rememberPledges(config, directory, context);
  if (pledging.kind !== "known") {
    await stores.close();
    return pledging;
  }
  return { kind: "opened", directory, stores, own: own.identity, pledgedMs: pledging.pledgedMs };
}

/** What makes a directory goes on with one that is there: whoever starts a node need not know whether it ran before. */
async function findDirectory(context: BringingContext): Promise<DirectoryOutcome> {
  const { config, log, signal } = context;
  const { id, clusterId, members, dataDir, start } = config;
  const there = { path: dataDir, clusterId, memberId: id };
  switch (start.kind) {
    case "open":
      return whole(await openDataDirectory(there), config);
    case "bootstrap":
      return whole(await createDataDirectory({ ...there, clusterId: given(clusterId), members }), config);
    case "restore": {
      const opened = await openDataDirectory(there);
      if (!isMissing(opened)) return whole(opened, config);
      const made = await restore({ id, clusterId: given(clusterId), dataDir, members }, start.file, {
        log,
        signal,
      });
      return made.kind === "restored" ? { kind: "found", directory: made.directory } : made;
    }
    case "join": {
      const opened = await openDataDirectory(there);
      if (!isMissing(opened)) return whole(opened, config);
      const made = await join(context, start);
      return made.kind === "brought" ? { kind: "found", directory: made.directory } : made;
    }
    case "force_new_cluster": {
      const opened = whole(await openDataDirectory({ ...there, clusterId: null }), config);
      if (opened.kind !== "found") return opened;
      if (!isForceDue(opened.directory, given(clusterId))) {
        log.warn(
          { clusterId, dataDir },
          `nothing was forced: the data is that of cluster ${clusterId} already; if most members of ${clusterId} are lost, give --cluster-id an id that was never used`,
        );
        return opened;
      }
      const wallMs = systemClock.wallMs();
      const forced = await forceNewCluster(opened.directory, given(clusterId), { log, wallMs });
      return forced.kind === "forced" ? { kind: "found", directory: forced.directory } : forced;
    }
  }
}

function isMissing(outcome: DataDirectoryOutcome): boolean {
  return outcome.kind === "refused" && outcome.reason === "not_bootstrapped";
}

function whole(outcome: DataDirectoryOutcome, config: NodeConfig): DirectoryOutcome {
  if (outcome.kind === "refused") return dataRefusal(`${outcome.message}${hintFor(outcome, config.id)}`);
  const { directory } = outcome;
  if (directory.identity.isChangingCluster === true && config.start.kind !== "force_new_cluster") {
    const { clusterId } = directory.identity;
    return startRefusal(
      "force-new-cluster",
      `a new cluster was begun in ${directory.path} and not finished: start it with --force-new-cluster ${config.id} --cluster-id ${clusterId}`,
    );
  }
  return { kind: "found", directory };
}

/** By which command a member is replaced; storage knows no commands. */
function hintFor({ reason }: DirectoryRefusal, id: string): string {
  return reason === "not_bootstrapped" || reason === "damaged"
    ? `; to replace it: quorate member replace ${id} NEWID`
    : "";
}

/** @throws StoreFailure */
async function openWhole(
  context: BringingContext,
  directory: DataDirectory,
): Promise<
  Extract<StoresOutcome, { readonly kind: "opened" }> | StartRefusal | { readonly kind: "aborted" }
> {
  const outcome = await openAdvised(directory);
  switch (outcome.kind) {
    case "opened":
      return outcome;
    case "refused":
      return dataRefusal(outcome.message);
    case "state_lost": {
      if (outcome.canRebuild) {
        context.log.warn(
          { reason: outcome.failure.message },
          "the state is damaged: it is rebuilt from the log",
        );
        await rebuildState(directory);
      } else {
        const repaired = await repairState(context, directory, outcome);
        if (repaired.kind !== "brought") return repaired;
      }
      // What was put in its place is as good as new: a loss of that too is no damage to mend.
      const again = await openAdvised(directory);
      if (again.kind === "state_lost") throw again.failure;
      return again.kind === "refused" ? dataRefusal(again.message) : again;
    }
  }
}

/** A log that is damaged has forgotten what this member promised: only another member can take its place. */
async function openAdvised(directory: DataDirectory): Promise<StoresOutcome> {
  try {
    return await openStores(directory);
  } catch (error) {
    if (!(error instanceof StoreFailure) || !error.dataLoss) throw error;
    const { memberId } = directory.identity;
    throw new StoreFailure(`${error.message}; to replace it: quorate member replace ${memberId} NEWID`, {
      dataLoss: true,
      cause: error,
    });
  }
}

/** As far as this member has heard of it itself; else its peers tell it. */
function removalOf(directory: DataDirectory, { state }: OpenedStores): StartRefusal | null {
  const { members, retiredStores } = state.opened.resident.membership;
  const { identity } = directory;
  const isMember = members.some(({ memberId }) => memberId === identity.memberId);
  if (isMember || !retiredStores.includes(identity.storeId)) return null;
  return removedRefusal(directory);
}

function ownIdentity(
  { identity }: DataDirectory,
  config: NodeConfig,
  { state }: OpenedStores,
): { readonly kind: "known"; readonly identity: PeerIdentity } | StartRefusal {
  const { clusterId, memberId, storeId } = identity;
  const recorded = state.opened.resident.membership.members.find((member) => member.memberId === memberId);
  const clientAddress = config.advertiseClient ?? recorded?.clientAddress;
  const peerAddress = config.advertisePeer ?? recorded?.peerAddress;
  if (clientAddress === undefined || peerAddress === undefined) {
    return startRefusal(
      clientAddress === undefined ? "advertise-client" : "advertise-peer",
      "is missing; the cluster has no address of this member: give HOST:PORT",
    );
  }
  return { kind: "known", identity: { clusterId, memberId, storeId, clientAddress, peerAddress } };
}

/** The configuration has seen to it, for what needs one. */
function given(clusterId: string | null): string {
  assert(clusterId !== null, "whatever makes a cluster is given its id");
  return clusterId;
}
