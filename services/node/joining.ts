import type { Member } from "@quorate/proto/cluster";
import type { NodeConfig } from "./config";
import type { ClusterView, SeedCluster, SeedOutcome } from "./seed-cluster";
import { type StartRefusal, startRefusal } from "./start-refusal";

/** What the part of a configuration is that a new member is admitted by. */
export type JoiningConfig = Pick<NodeConfig, "id" | "clusterId" | "advertiseClient" | "advertisePeer">;

export type Admission =
  /** This node is a learner of that cluster, and has no data yet. */
  { readonly kind: "admitted"; readonly view: ClusterView } | StartRefusal | { readonly kind: "aborted" };

/**
 * Has the cluster take this node in, unless it has done so before.
 *
 * @param prepare makes ready what could be in the way; before it has, the cluster changes nothing
 */
export async function admission(
  config: JoiningConfig,
  as: "voter" | "learner",
  seeds: Pick<SeedCluster, "view" | "add">,
  prepare: (view: ClusterView) => Promise<StartRefusal | null>,
): Promise<Admission> {
  const found = await seeds.view();
  if (found.kind !== "answered") return failed(found);
  const fault = viewFault(config, found.value) ?? (await prepare(found.value));
  if (fault !== null) return fault;
  if (memberIn(found.value, config.id) !== null) return { kind: "admitted", view: found.value };

  const added = await seeds.add({
    memberId: config.id,
    clientAddress: config.advertiseClient ?? "",
    peerAddress: config.advertisePeer ?? "",
    promoteWhenCaughtUp: as === "voter",
    replaces: "",
    priority: undefined,
  });
  if (added.kind === "answered") {
    return { kind: "admitted", view: { clusterId: found.value.clusterId, members: added.value } };
  }
  if (added.kind !== "refused") return failed(added);
  // An earlier attempt may have been carried out though its answer was lost.
  const seen = await seeds.view();
  if (seen.kind !== "answered" || memberIn(seen.value, config.id) === null) return failed(added);
  return viewFault(config, seen.value) ?? { kind: "admitted", view: seen.value };
}

/** Why this node cannot be a new member of that cluster. */
function viewFault(config: JoiningConfig, view: ClusterView): StartRefusal | null {
  if (config.clusterId !== null && config.clusterId !== view.clusterId) {
    return startRefusal(
      "cluster-id",
      `the nodes given to join belong to cluster ${view.clusterId}, not ${config.clusterId}: check --join and --cluster-id`,
    );
  }
  const own = memberIn(view, config.id);
  if (own === null) return null;
  if (own.storeId !== "") {
    return startRefusal(
      "data-dir",
      `${config.id} is a member already, and its data is not here: start it with the --data-dir that holds it; if that is lost, give another --id and replace it: quorate member replace ${config.id} NEWID`,
    );
  }
  if (own.voter) {
    return startRefusal(
      "join",
      `${config.id} is a voter from the beginning of the cluster that never started: start it with --bootstrap and the --members of that time`,
    );
  }
  return null;
}

function memberIn({ members }: ClusterView, id: string): Member | null {
  return members.find(({ memberId }) => memberId === id) ?? null;
}

function failed(outcome: Exclude<SeedOutcome<unknown>, { readonly kind: "answered" }>): Admission {
  switch (outcome.kind) {
    case "aborted":
      return outcome;
    case "refused":
      return startRefusal("join", outcome.why);
    case "unanswered":
      return startRefusal(
        "join",
        `no node of the cluster could be asked to take this one in: ${outcome.why}; check the addresses, and that most members run`,
      );
  }
}
