import type { Log } from "#forward";
import { changeMembershipCommand, encodeCommand, type MemberInfo } from "#kv";
import { configurationOf, type Entry } from "#raft";
import type { LogStore } from "#replica";
import { changeCluster, type DataDirectory, type OpenedStores, openStores, rebuildState } from "#storage";
import { dataRefusal, type StartRefusal, startRefusal } from "./start-refusal";

/** Whether a directory still is to be made that of a new cluster, of its member alone. */
export function isForceDue({ identity }: DataDirectory, clusterId: string): boolean {
  return identity.clusterId !== clusterId || identity.isChangingCluster === true;
}

/**
 * Makes a directory that of a new cluster, of its member alone: for when most members are lost for ever. All that its log
 * holds counts as committed, also what never was: nobody is left who could tell. The others' data directories count as
 * removed, and their cluster id is another from now on: they cannot disturb, should they come back.
 *
 * A crash midway leaves a directory that nothing serves from until this has ended.
 *
 * @throws StoreFailure
 */
export async function forceNewCluster(
  directory: DataDirectory,
  clusterId: string,
  options: { readonly log: Log; readonly wallMs: number },
): Promise<{ readonly kind: "forced"; readonly directory: DataDirectory } | StartRefusal> {
  const { memberId, clusterId: before } = directory.identity;
  const begun = await changeCluster(directory, clusterId, "begun");
  const opened = await openWhatIsThere(begun);
  if (opened.kind === "refused") return opened;
  const { stores } = opened;
  const { resident } = stores.state.opened;
  try {
    const own = resident.membership.members.find((member) => member.memberId === memberId);
    if (own === undefined) {
      return startRefusal(
        "force-new-cluster",
        `the state of ${memberId} is older than its own addition to the cluster: force the new cluster on another node`,
      );
    }
    await leaveAlone(stores.log, own, options.wallMs);
  } finally {
    await stores.close();
  }
  const done = await changeCluster(begun, clusterId, "done");
  const left = resident.membership.members.map((member) => member.memberId).filter((id) => id !== memberId);
  options.log.warn(
    { clusterId, before, members: [memberId], left },
    `a new cluster was forced: ${memberId} goes on alone as cluster ${clusterId}`,
  );
  return { kind: "forced", directory: done };
}

/**
 * Adds a change of the membership to the log as a committed entry. It takes part in a term of its own: no entry of the old
 * cluster is of that term and later.
 */
async function leaveAlone(log: LogStore, own: MemberInfo, wallMs: number): Promise<void> {
  const term = log.hardState.term + 1;
  const index = log.lastIndex() + 1;
  const alone = configurationOf([own.memberId]);
  const info = { ...own, promoteWhenCaughtUp: false, replaces: "" };
  const data = encodeCommand(changeMembershipCommand(alone, [info], wallMs));
  const entry: Entry = { term, index, kind: "conf_change_v2", data };
  await log.append({ entries: [entry], hardState: { term, vote: null, commit: index } }, { sync: true });
}

async function openWhatIsThere(
  directory: DataDirectory,
): Promise<{ readonly kind: "opened"; readonly stores: OpenedStores } | StartRefusal> {
  const outcome = await openStores(directory);
  switch (outcome.kind) {
    case "opened":
      return outcome;
    case "refused":
      return dataRefusal(outcome.message);
    case "state_lost": {
      if (!outcome.canRebuild) throw outcome.failure;
      await rebuildState(directory);
      return openWhatIsThere(directory);
    }
  }
}
