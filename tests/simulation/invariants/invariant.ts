import { Violation } from "../violation";

/**
 * Everything that can be found wrong with a run, and the number of the invariant in the project's list that it belongs
 * to. A failure report and the mutation table name these.
 */
export const invariantNumbers = {
  "one leader a term": 1,
  "one vote a term": 1,
  "a vote is stored before it is given": 1,
  "elected by a majority": 1,
  "promises survive a restart": 1,
  "log matching": 2,
  "leader completeness": 2,
  "a vote goes to a log as new": 2,
  "the log is cut behind the checkpoint": 2,
  "a snapshot leads forward": 2,
  "committed prefix": 2,
  "applied <= committed <= last": 2,
  "term and commit only rise": 2,
  "commit by counting": 3,
  "commit by a durable majority": 3,
  "read index": 3,
  "read quorum": 3,
  "nobody else is elected during a lease": 3,
  "equal state": 4,
  "what a command changes": 4,
  linearizable: 5,
  "strictly serializable": 5,
  "a stale read is some real prefix": 6,
  "a bounded read keeps its bound": 6,
  "a session never goes back": 6,
  "history is there until it is given up": 6,
  "applied once": 7,
  "the same answer": 7,
  "writes of a session keep their order": 7,
  "replicated time keeps to a clock": 7,
  "a watch tells the committed order": 8,
  "a lease never ends early": 9,
  "a lease ends when its time is up": 9,
  "the keys of a lease go together": 9,
  "acknowledged writes survive": 10,
  "a restored cluster is as its backup": 10,
  "damage is found and repaired": 11,
  "damage shows in the root": 11,
  "equal roots": 11,
  "a configuration follows on the one before": 12,
  "one change of the configuration at a time": 12,
  "a member knows its configuration": 12,
  "a voter has caught up": 12,
  "a removed member is not listened to": 12,
  "bounded memory": 13,
  "writes are refused only for want of space": 13,
} as const;

export type InvariantName = keyof typeof invariantNumbers;

/** @throws Violation always: the named invariant is broken, `detail` says by whom and how */
export function broken(name: InvariantName, detail: string): never {
  throw new Violation("correctness", name, detail);
}
