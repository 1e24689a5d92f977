import type { InvariantName } from "../invariants";
import type { Mutation } from "./mutation";

const LEASE: InvariantName = "nobody else is elected during a lease";
/** What somebody sees of it. */
const STALE = ["read index", "linearizable", "strictly serializable", "a session never goes back"] as const;

/** Bugs of reads by the leader's lease. */
export const leaseMutations: readonly Mutation[] = [
  {
    name: "lease-survives-a-transfer",
    why: "A leader goes on by its lease when it has bidden another to campaign.",
    profile: "lease_reads",
    edits: [{ file: "services/raft/leader.ts", find: "    this.lease?.giveUp();\n", replace: "" }],
    expected: [LEASE, ...STALE],
  },
  {
    name: "restarted-member-forgets-its-pledge",
    why: "A member that was started anew votes at once, although its leader may count on what it pledged before.",
    profile: "lease_reads",
    edits: [
      {
        file: "services/raft/pledge.ts",
        find: "this.untilMs = clock.monotonicMs() + terms.pledgedMs;",
        replace: "this.untilMs = 0;",
      },
    ],
    expected: [LEASE, ...STALE],
  },
  {
    name: "pledge-counts-from-when-it-was-asked-for-last",
    why: "A pledge is not renewed: it counts from the first that the member gave.",
    profile: "lease_reads",
    edits: [
      {
        file: "services/raft/pledge.ts",
        find: "this.untilMs = Math.max(this.untilMs, this.clock.monotonicMs() + ms);",
        replace: "if (!this.isBinding) this.untilMs = this.clock.monotonicMs() + ms;",
      },
    ],
    expected: [LEASE, ...STALE],
  },
  {
    name: "lease-is-judged-by-ticks",
    why: "A leader judges its lease by the time of its last tick, which a process that stood still has missed.",
    profile: "lease_reads",
    edits: [
      {
        file: "services/raft/lease.ts",
        find: "return since !== undefined && this.isWithin(since, this.now());",
        replace:
          "return since !== undefined && this.isWithin(since, [...this.begun.values()].at(-1) ?? since);",
      },
    ],
    expected: [LEASE, ...STALE],
  },
  {
    name: "lease-reads-before-the-first-commit",
    why: "A leader reads by its lease before an entry of its term is committed, when it does not know yet what is.",
    profile: "lease_reads",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "if (isCurrent && this.hasLease) {",
        replace: "if (this.hasLease) {",
      },
    ],
    expected: ["read index", ...STALE],
  },
];
