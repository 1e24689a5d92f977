import type { MembershipOutcome, MembershipRequest, Replica } from "@quorate/services/replica";
import type { ReplicaRig } from "./replica-rig";

/** Of a learner, unless it is said otherwise. */
export function addition(
  memberId: string,
  changes: Partial<Extract<MembershipRequest, { kind: "add" }>> = {},
) {
  return {
    kind: "add",
    memberId,
    clientAddress: `${memberId}:1`,
    peerAddress: `${memberId}:2`,
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: null,
    ...changes,
  } as const;
}

/** Time passes until the change has an outcome. */
export async function changedIn(
  rig: ReplicaRig,
  replica: Replica,
  request: MembershipRequest,
): Promise<MembershipOutcome> {
  let outcome: MembershipOutcome | null = null;
  void replica.changeMembership(request).then((result) => {
    outcome = result;
  });
  for (let tick = 0; tick < 100 && outcome === null; tick += 1) await rig.tick();
  if (outcome === null) throw new Error("the change has no outcome");
  return outcome;
}
