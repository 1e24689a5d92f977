import type { TestCluster } from "./cluster";
import { eventually } from "./eventually";

/**
 * Runs a body that presumes that one node leads all the while: again where there was an election meanwhile, as a busy
 * machine may bring about. What fails without an election has failed.
 *
 * @param body may run several times
 */
export async function underOneLeader<T>(
  cluster: TestCluster,
  body: (leader: number) => Promise<T>,
): Promise<T> {
  const outcome = await eventually("a run without an election", async () => {
    const leader = await cluster.leader();
    const { term } = await cluster.status(leader);
    const ended = await body(leader).then(
      (value) => ({ value }),
      (failure: unknown) => ({ failure }),
    );
    const after = await cluster.status(await cluster.leader());
    if (after.term !== term) throw new Error(`an election led from term ${term} to ${after.term}`);
    return ended;
  });
  if ("failure" in outcome) throw outcome.failure;
  return outcome.value;
}
