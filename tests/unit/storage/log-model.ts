import { crc32 } from "node:zlib";
import type { Entry, EntryId, HardState } from "@quorate/services/raft";
import type { LogStore } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";

/** What a log holds. */
export interface LogModel {
  readonly begin: EntryId;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

/** Something that is asked of a log, and what it then holds. */
export interface LogStep {
  readonly run: (log: LogStore) => Promise<void>;
  readonly after: LogModel;
}

export const EMPTY_LOG: LogModel = {
  begin: { term: 0, index: 0 },
  entries: [],
  hardState: { term: 0, vote: null, commit: 0 },
};

export function lastOf({ begin, entries }: LogModel): EntryId {
  return entries.at(-1) ?? begin;
}

/** As text: comparable, and readable where two differ. */
export function shown({ begin, entries, hardState }: LogModel): string {
  const { term, vote, commit } = hardState;
  const held = entries.map(
    (entry) => `${entry.term}/${entry.index} ${entry.kind} ${entry.data.length} bytes ${crc32(entry.data)}`,
  );
  return [`after ${begin.term}/${begin.index}`, `term ${term} ${vote} ${commit}`, ...held].join("\n");
}

export function heldBy(log: LogStore): LogModel {
  const index = log.firstIndex() - 1;
  const range = { from: index + 1, toExclusive: log.lastIndex() + 1, bytesMax: Number.POSITIVE_INFINITY };
  return {
    begin: { term: log.term(index) as number, index },
    entries: log.lastIndex() > index ? log.entries(range) : [],
    hardState: log.hardState,
  };
}

export function drawnStep(random: Random, model: LogModel): LogStep {
  const kind = random.below(12);
  if (kind === 0) return drawnReset(random, model);
  if (kind <= 2) return drawnCut(random, model);
  return drawnAppend(random, model);
}

function drawnAppend(random: Random, model: LogModel): LogStep {
  const { begin, hardState } = model;
  const end = lastOf(model).index + 1;
  const firstMin = Math.max(begin.index, hardState.commit) + 1;
  const isReplacing = random.below(4) === 0;
  const first = isReplacing ? firstMin + random.below(end - firstMin + 1) : end;
  const kept = model.entries.filter(({ index }) => index < first);
  const entries: Entry[] = [];
  let { term } = kept.at(-1) ?? begin;
  for (let count = random.below(5); count > 0; count -= 1) {
    term += random.below(8) === 0 ? 1 : 0;
    entries.push({ term, index: first + entries.length, kind: "normal", data: drawnData(random) });
  }
  // Without entries nothing is replaced.
  const held = entries.length === 0 ? model.entries : [...kept, ...entries];
  const last = held.at(-1) ?? begin;
  const changed =
    random.below(2) === 0
      ? null
      : {
          term: Math.max(hardState.term, last.term),
          vote: [null, "n1", "n2"][random.below(3)] as string | null,
          commit: hardState.commit + random.below(last.index - hardState.commit + 1),
        };
  return {
    run: (log) => log.append({ entries, hardState: changed }, { sync: true }),
    after: { begin, entries: held, hardState: changed ?? hardState },
  };
}

function drawnCut(random: Random, model: LogModel): LogStep {
  const { begin, entries, hardState } = model;
  const index = begin.index + random.below(hardState.commit - begin.index + 1);
  const cut = entries.find((entry) => entry.index === index);
  return {
    run: (log) => log.cut(index),
    after: {
      begin: cut === undefined ? begin : { term: cut.term, index },
      entries: entries.filter((entry) => entry.index > index),
      hardState,
    },
  };
}

function drawnReset(random: Random, model: LogModel): LogStep {
  const { hardState } = model;
  const term = lastOf(model).term + random.below(2);
  const entry = { term, index: hardState.commit + random.below(30) };
  const isLater = term > hardState.term;
  return {
    run: (log) => log.reset(entry),
    after: {
      begin: entry,
      entries: [],
      hardState: {
        term: isLater ? term : hardState.term,
        vote: isLater ? null : hardState.vote,
        commit: entry.index,
      },
    },
  };
}

/** Now and then longer than some sectors. */
function drawnData(random: Random): Uint8Array {
  const bytes = new Uint8Array(random.below(6) === 0 ? random.below(2500) : random.below(60));
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.below(256);
  return bytes;
}
