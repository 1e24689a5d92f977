import type { Mutation } from "./mutation";

const WATCH = "services/watch/open-watch.ts";

/** Bugs of watches. */
export const watchMutations: readonly Mutation[] = [
  {
    name: "watch-catch-up-overlaps",
    why: "A watch that catches up from history begins with the last revision that it has told already.",
    edits: [
      { file: WATCH, find: "const from = this.told + 1;", replace: "const from = Math.max(1, this.told);" },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-drops-an-event-at-the-joint",
    why: "History is told up to before the revision from which on the live events come, so that one is missed.",
    edits: [{ file: WATCH, find: "from, to: upTo, range", replace: "from, to: upTo - 1, range" }],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-tells-every-deletion",
    why: "Deletions are told whatever their key.",
    edits: [
      {
        file: "services/watch/filter.ts",
        find: "return spec.deletes && rangeContains(spec.range, change.key);",
        replace: "return spec.deletes;",
      },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-cuts-a-revision",
    why: "A frame that ends amid the events of a revision says that it told all of it.",
    edits: [
      { file: WATCH, find: "const more = queue.peek()?.revision === last;", replace: "const more = false;" },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-resumes-too-late",
    why: "A watch that was too slow is told to go on behind the first event that it was not told.",
    edits: [
      {
        file: WATCH,
        find: "next === undefined ? this.state.revision : next.revision - 1;",
        replace: "next === undefined ? this.state.revision : next.revision;",
      },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-of-a-key-misses-truncations",
    why: "Who watches a single key is not told that the namespace was emptied.",
    edits: [
      {
        file: "services/watch/watch-index.ts",
        find: "yield* groups.values();",
        replace: "yield* ofRanges;",
      },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-tells-the-record-after",
    why: "What is told as the record before a change is the one after it.",
    edits: [
      {
        file: "services/watch/previous-records.ts",
        find: "        revision: revision - 1,\n",
        replace: "        revision,\n",
      },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-passes-over-unwanted-changes",
    why: "The record before a change is the last one of its key that some watch wanted, though others came between.",
    edits: [
      {
        file: "services/watch/previous-records.ts",
        find: "before != null && isNextOf(before, item.change)",
        replace: "before !== undefined",
      },
    ],
    expected: ["a watch tells the committed order"],
  },
  {
    name: "watch-refuses-the-first-revision",
    why: "The first revision that can still be told is refused as compacted.",
    edits: [{ file: WATCH, find: "spec.startRevision < first)", replace: "spec.startRevision <= first)" }],
    expected: ["a watch tells the committed order"],
  },
];
