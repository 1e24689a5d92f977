import { expect, test } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import type { Comparison, MemberComparison } from "@quorate/services/verification";
import { logDisagreement } from "../../../services/node/verification";

function member(id: string, said: Partial<MemberComparison>): MemberComparison {
  return {
    member: id,
    isVoter: true,
    answered: true,
    agrees: true,
    differs: false,
    root: new Uint8Array(),
    keys: 1,
    ...said,
  };
}

const SILENT = { answered: false, agrees: false };
const OTHER = { agrees: false, differs: true };
const ALONE = { agrees: false };

test.each([
  {
    what: "a member that differs is an error",
    members: [member("n1", {}), member("n2", {}), member("n3", OTHER)],
    line: "error: replicas differ from those of the majority",
    differing: ["n3"],
    silent: [],
  },
  {
    what: "so is one beside another that is silent",
    members: [member("n1", {}), member("n2", {}), member("n3", OTHER), member("n4", SILENT)],
    line: "error: replicas differ from those of the majority",
    differing: ["n3"],
    silent: ["n4"],
  },
  {
    what: "a silent one is none",
    members: [member("n1", {}), member("n2", {}), member("n3", SILENT)],
    line: "info: not all members could be compared",
    differing: [],
    silent: ["n3"],
  },
  {
    what: "nor is the only one that answered",
    members: [member("n1", ALONE), member("n2", SILENT), member("n3", SILENT)],
    line: "info: not all members could be compared",
    differing: [],
    silent: ["n2", "n3"],
  },
  {
    what: "all that differ without a majority are named",
    isSplit: true,
    members: [member("n1", OTHER), member("n2", OTHER), member("n3", SILENT)],
    line: "error: the replicas differ, and no majority of them agrees: none is repaired",
    differing: ["n1", "n2"],
    silent: ["n3"],
  },
])("of a comparison, $what", ({ isSplit = false, members, line, differing, silent }) => {
  const lines: [string, object][] = [];
  const at = (level: string) => (fields: object, message: string) =>
    lines.push([`${level}: ${message}`, fields]);
  const comparison: Comparison = {
    kind: "compared",
    round: 1,
    appliedIndex: 10,
    consistent: false,
    isSplit,
    members,
    diverged: [],
    divergedCount: 0,
    wholeState: [],
    bytesMoved: 0,
  };
  logDisagreement(comparison, { ...SILENT_LOG, info: at("info"), error: at("error") });
  expect(lines).toEqual([[line, expect.objectContaining({ differing, silent })]]);
});
