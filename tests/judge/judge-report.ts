import { type KeyJudgement, type LinearizabilityVerdict, verdictOf } from "./linearizable";

/** What the judge says of a whole history, for people and for programs. */
export interface JudgeReport {
  readonly verdict: LinearizabilityVerdict["kind"];
  readonly text: string;
  /** The verdict of the whole and one item a key. */
  readonly json: { readonly verdict: LinearizabilityVerdict; readonly keys: readonly KeyJudgement[] };
}

export function judgeHistoryText(judgements: readonly KeyJudgement[]): JudgeReport {
  const verdict = verdictOf(judgements);
  const width = judgements.reduce((most, { key }) => Math.max(most, JSON.stringify(key).length), 3);
  const header = `${"key".padEnd(width)} ${"ok".padStart(8)} ${"fail".padStart(8)} ${"unknown".padStart(8)} ${"states".padStart(8)}  verdict`;
  const rows = judgements.map(
    ({ key, operations: { ok, fail, unknown }, statesExplored, verdict: { kind } }) => {
      const counts = [ok, fail, unknown, statesExplored].map((count) => String(count).padStart(8)).join(" ");
      return `${JSON.stringify(key).padEnd(width)} ${counts}  ${kind}`;
    },
  );
  const details = judgements.flatMap(({ verdict: each }) => {
    if (each.kind === "linearizable") return [];
    return [
      "",
      each.kind === "violation" ? each.explanation : `key ${JSON.stringify(each.key)}: ${each.reason}`,
    ];
  });
  const total = judgements.reduce(
    (sum, { operations: { ok, fail, unknown } }) => sum + ok + fail + unknown,
    0,
  );
  const last = `${verdict.kind}: ${total} operations on ${judgements.length} ${judgements.length === 1 ? "key" : "keys"}`;
  const text = `${[header, ...rows, ...details, "", last].join("\n")}\n`;
  return { verdict: verdict.kind, text, json: { verdict, keys: judgements } };
}
