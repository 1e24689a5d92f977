import type { Member } from "@quorate/proto/cluster";
import { ByteChannels, type Log, MESSAGE_BYTES_MAX_DEFAULT } from "#forward";
import type { ImageHeader, StateReceiver } from "#replica";
import { type PeerIdentity, PeerSnapshotSource, removalIn } from "#rpc";
import {
  beginImageDirectory,
  type DataDirectory,
  type DataIdentity,
  type ImageDirectory,
  installReceived,
  LEVEL_IMAGE_FORMAT,
  receiveState,
  type StateLost,
} from "#storage";
import type { NodeConfig } from "./config";
import { checkPorts } from "./free-ports";
import { admission } from "./joining";
import { type ClusterView, SeedCluster } from "./seed-cluster";
import { dataRefusal, removedRefusal, type StartRefusal, startRefusal } from "./start-refusal";
import { fetchState, type StateFetchOutcome } from "./state-fetch";

/** What a start works with that needs other nodes. */
export interface BringingContext {
  readonly config: NodeConfig;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export type BroughtOutcome =
  | { readonly kind: "brought"; readonly directory: DataDirectory }
  | StartRefusal
  | { readonly kind: "aborted" };

/**
 * Makes the data directory of a new member: the cluster takes it in, and a member gives its state. Where that does not
 * work out nothing is left on disk.
 *
 * @throws StoreFailure; ListenFailure where a port cannot be taken, and then the cluster was not asked
 */
export async function join(
  context: BringingContext,
  { seeds, as }: { readonly seeds: readonly string[]; readonly as: "voter" | "learner" },
): Promise<BroughtOutcome> {
  const { config, log } = context;
  // A port that turned out to be taken later would leave the cluster with a member that never comes.
  await checkPorts(config);
  return withSeeds(context, seeds, async (cluster) => {
    let place: ImageDirectory | null = null;
    try {
      const admitted = await admission(config, as, cluster, async (view) => {
        const begun = await beginPlace(config, view);
        if (begun.kind === "refused") return begun;
        place = begun.directory;
        return null;
      });
      const directory = place as ImageDirectory | null;
      if (admitted.kind !== "admitted" || directory === null) {
        await directory?.abandon();
        return admitted.kind === "admitted" ? dataRefusal("no place was made") : admitted;
      }
      log.info({ clusterId: admitted.view.clusterId }, "the cluster has taken this node in");
      const fetched = await fetchFrom(context, cluster, {
        identity: directory.identity,
        view: admitted.view,
        receive: (header) => directory.receive(header),
        indexMin: 0,
      });
      if (fetched.kind !== "fetched") {
        await directory.abandon();
        return notFetched(fetched, "join");
      }
      const made = await directory.finish(fetched.receiver, null);
      const { applied } = fetched.receiver.header;
      log.info({ from: fetched.from, appliedIndex: applied.index }, "joined with the state of a member");
      return { kind: "brought", directory: made };
    } catch (error) {
      await (place as ImageDirectory | null)?.abandon();
      throw error;
    }
  });
}

/**
 * Puts the state of another member in the place of one that is lost; the log, and what was promised in it, stays.
 *
 * @throws StoreFailure
 */
export async function repairState(
  context: BringingContext,
  directory: DataDirectory,
  lost: StateLost,
): Promise<BroughtOutcome> {
  const { config, log } = context;
  const { identity } = directory;
  log.warn({ reason: lost.failure.message }, "the state is damaged: it is brought anew from another member");
  const seeds = [...config.members, ...identity.members].filter(({ id }) => id !== config.id);
  const addresses = [...new Set(seeds.map(({ clientAddress }) => clientAddress))];
  return withSeeds(context, addresses, async (cluster) => {
    const found = await cluster.view();
    if (found.kind === "aborted") return found;
    if (found.kind !== "answered") return notBrought(identity.memberId, lost, found.why);
    if (found.value.clusterId !== identity.clusterId) {
      return notBrought(
        identity.memberId,
        lost,
        `the nodes asked belong to cluster ${found.value.clusterId}`,
      );
    }
    const fetched = await fetchFrom(context, cluster, {
      identity,
      view: found.value,
      receive: (header) => receiveState(directory, header),
      indexMin: lost.logBeginsAfter.index,
    });
    if (fetched.kind === "aborted") return fetched;
    if (fetched.kind === "removed") return removedRefusal(directory);
    if (fetched.kind === "failed") return notBrought(identity.memberId, lost, fetched.why);
    await installReceived(directory, fetched.receiver);
    const { applied } = fetched.receiver.header;
    log.warn(
      { from: fetched.from, appliedIndex: applied.index },
      "the state was brought from another member",
    );
    return { kind: "brought", directory };
  });
}

async function withSeeds(
  { config, log, signal }: BringingContext,
  seeds: readonly string[],
  run: (cluster: SeedCluster) => Promise<BroughtOutcome>,
): Promise<BroughtOutcome> {
  const channels = new ByteChannels({
    messageBytesMax: MESSAGE_BYTES_MAX_DEFAULT,
    keepalive: { timeMs: 2000, timeoutMs: 1000 },
  });
  try {
    return await run(new SeedCluster({ seeds, channels, log, timeoutMs: config.joinTimeoutMs, signal }));
  } finally {
    channels.close();
  }
}

function beginPlace(config: NodeConfig, { clusterId, members }: ClusterView) {
  return beginImageDirectory({
    path: config.dataDir,
    clusterId,
    memberId: config.id,
    members: members.map(({ memberId, clientAddress, peerAddress }) => ({
      id: memberId,
      clientAddress,
      peerAddress,
    })),
  }).then((begun) => (begun.kind === "refused" ? dataRefusal(begun.message) : begun));
}

interface Wanted {
  readonly identity: DataIdentity;
  readonly view: ClusterView;
  readonly receive: (header: ImageHeader) => Promise<StateReceiver>;
  /** The log here begins after this entry: the state must have applied it. */
  readonly indexMin: number;
}

/** The members are asked for anew before each round but the first: a leader may have come or gone. */
async function fetchFrom(
  { config, log, signal }: BringingContext,
  cluster: SeedCluster,
  { identity, view, receive, indexMin }: Wanted,
): Promise<StateFetchOutcome> {
  let members: readonly Member[] = view.members;
  let isFirst = true;
  const source = new PeerSnapshotSource({
    own: ownIdentity(config, identity, view),
    addressOf: (id) => members.find(({ memberId }) => memberId === id)?.peerAddress ?? null,
    epoch: () => 0,
  });
  try {
    return await fetchState({
      source,
      peers: async () => {
        if (!isFirst) {
          const seen = await cluster.view();
          if (seen.kind === "answered") members = seen.value.members;
        }
        isFirst = false;
        return inOrderOfAsking(members, config.id);
      },
      receive,
      fault: ({ format, applied }) =>
        format !== LEVEL_IMAGE_FORMAT
          ? `its state has the format ${format}, and this version reads ${LEVEL_IMAGE_FORMAT}`
          : applied.index < indexMin
            ? `its state ends at entry ${applied.index}, and the log here begins after entry ${indexMin}`
            : null,
      removalIn,
      timeoutMs: config.joinTimeoutMs,
      signal,
      log,
    });
  } finally {
    source.close();
  }
}

/** Followers before the leader, which has enough to do; learners, which may lag far behind, last. */
function inOrderOfAsking(members: readonly Member[], ownId: string): readonly string[] {
  const rank = ({ voter, leader }: Member): number => (leader ? 1 : voter ? 0 : 2);
  return members
    .filter(({ memberId }) => memberId !== ownId)
    .toSorted((left, right) => rank(left) - rank(right))
    .map(({ memberId }) => memberId);
}

function ownIdentity(config: NodeConfig, identity: DataIdentity, view: ClusterView): PeerIdentity {
  const recorded = view.members.find(({ memberId }) => memberId === config.id);
  const { clusterId, memberId, storeId } = identity;
  return {
    clusterId,
    memberId,
    storeId,
    clientAddress: config.advertiseClient ?? recorded?.clientAddress ?? "",
    peerAddress: config.advertisePeer ?? recorded?.peerAddress ?? "",
  };
}

function notFetched(
  outcome: Exclude<StateFetchOutcome, { readonly kind: "fetched" }>,
  setting: string,
): BroughtOutcome {
  if (outcome.kind === "aborted") return outcome;
  return startRefusal(
    setting,
    `the cluster has taken this node in, but no member gave it its state: ${outcome.why}; start it again once they run`,
  );
}

function notBrought(memberId: string, { failure }: StateLost, why: string): StartRefusal {
  return dataRefusal(
    `${failure.message}; and no other member gave its state: ${why}; start it again once they run, or replace this member: quorate member replace ${memberId} NEWID`,
  );
}
