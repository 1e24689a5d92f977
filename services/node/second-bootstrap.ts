import type { DataDirectory } from "#storage";
import { dataRefusal, type StartRefusal } from "./start-refusal";

/**
 * What a peer's word means, that the cluster has bound this member to another data directory. One that was bootstrapped
 * and has nothing in its log can never take part: the member ran before, and what it promised then lies elsewhere or
 * is lost. null for any other, of whom a peer may merely be yet to hear.
 */
export function secondBootstrap(
  { path, identity }: Pick<DataDirectory, "path" | "identity">,
  log: { lastIndex(): number },
): StartRefusal | null {
  if (identity.origin !== "bootstrap" || log.lastIndex() > 0) return null;
  const id = identity.memberId;
  return dataRefusal(
    `${path} was made anew with --bootstrap, but the cluster runs, and ${id} had another data directory there: start it without --bootstrap on the --data-dir that holds its data; if that is lost, replace it on the running cluster: quorate member replace ${id} NEWID`,
  );
}
