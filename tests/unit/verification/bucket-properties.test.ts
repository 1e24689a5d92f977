import { describe, expect, test } from "@jest/globals";
import {
  type Command,
  createNamespaceCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { hash32, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { ANYONE, put, VirtualCluster } from "./cluster-rig";
import { naiveBuckets } from "./naive-rounds";

/** A quarter of the keys start a bucket, so that starts come and go. */
const KEYS = [...keysWith((hash) => hash % 128 === 0, 12), ...keysWith((hash) => hash % 128 !== 0, 36)];

function keysWith(isWanted: (hash: number) => boolean, count: number): string[] {
  const found: string[] = [];
  for (let at = 0; found.length < count; at += 1) {
    if (isWanted(hash32(utf8Encode(`k${at}`)))) found.push(`k${at}`);
  }
  return found;
}

const key = fc.constantFrom(...KEYS);
const bytes = key.map(utf8Encode);
const source = fc.constantFrom(ANYONE, ANYONE, { ...ANYONE, namespace: "other" });

const step: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(key, fc.string({ maxLength: 3 }), source)
      .map(([name, value, { namespace }]) => ({ ...put(name, value), namespace })),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(bytes, source)
      .map(([name, from]) =>
        deleteCommand(from, { key: name, returnPrevious: false, expectedModRevision: null }),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(bytes, bytes, source)
      .map(([start, end, from]) => deleteRangeCommand(from, { start, end }, 100)),
  },
  { weight: 1, arbitrary: source.map(truncateCommand) },
  {
    weight: 1,
    arbitrary: fc.constant(createNamespaceCommand(ANYONE, "other", { keysMax: null, bytesMax: null })),
  },
  { weight: 1, arbitrary: fc.constant(deleteNamespaceCommand(ANYONE, "other")) },
);

const history = fc.array(fc.array(step, { maxLength: 24 }), { minLength: 1, maxLength: 6 });
const cuts = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.constant(64));
/** Nothing is read again that was not written to: what was not marked would show. */
const NO_SCRUBBING = { scrubKeys: 1, keysPerTurn: 3 };

const RUNS = isLongRun ? 60 : 25;

describe("buckets", () => {
  test("H4: what is hashed bit by bit is what hashing all keys gives, after any history and however it was cut", async () => {
    await fc.assert(
      fc.asyncProperty(history, cuts, async (parts, batchMax) => {
        const cluster = new VirtualCluster(["n1", "n2", "n3"], { limits: NO_SCRUBBING });
        // Its first round comes last: it hashes everything then.
        cluster.behind.add("n3");
        let round = 0;
        for (const part of parts) {
          for (const command of part) cluster.append(command);
          for (const at of [0, 1]) {
            await cluster.members[at]?.applyTo(cluster.lastIndex, batchMax[at]);
          }
          round = await cluster.round();
        }
        const { store, machine, verifier } = cluster.leader;
        const expected = await naiveBuckets(store, machine);
        expect(verifier.answerBuckets(round)).toEqual(expected);
        cluster.behind.clear();
        await cluster.member("n3").applyTo(cluster.lastIndex, batchMax[2]);
        await cluster.eventually(
          "the last has caught up",
          () => cluster.member("n3").verifier.status().round === round,
        );
        const roots = cluster.members.map((member) => member.verifier.answerRoot(round));
        expect(new Set(roots.map((root) => JSON.stringify(root))).size).toBe(1);
        cluster.close();
      }),
      { numRuns: RUNS },
    );
  });

  test("H4: what is written while a round is hashed is in the next one", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (parts) => {
        const cluster = new VirtualCluster(["n1"], { limits: { ...NO_SCRUBBING, keysPerTurn: 1 } });
        for (const part of parts) {
          await cluster.begin();
          for (const command of part) {
            await cluster.commit(command);
            await cluster.step();
          }
        }
        const round = await cluster.round();
        const { store, machine, verifier } = cluster.leader;
        expect(verifier.answerBuckets(round)).toEqual(await naiveBuckets(store, machine));
        cluster.close();
      }),
      { numRuns: RUNS },
    );
  });

  test("buckets of many pieces are hashed as those of one are", async () => {
    const cluster = new VirtualCluster(["n1"]);
    const sizes = [0, 1, 30_000, 65_000, 65_536, 70_000, 200_000];
    await cluster.commit(
      ...sizes.flatMap((size) => [1, 2, 3].map((at) => put(`key-${size}-${at}`, "v".repeat(size)))),
    );
    const round = await cluster.round();
    const { store, machine, verifier } = cluster.leader;
    expect(verifier.answerBuckets(round)).toEqual(await naiveBuckets(store, machine));
    cluster.close();
  });

  test("a round hashes what was written to, and a share of the rest", async () => {
    const cluster = new VirtualCluster(["n1"], { limits: { scrubKeys: 500 } });
    await cluster.commit(...Array.from({ length: 2000 }, (_, at) => put(`key-${at}`)));
    await cluster.round();
    expect(cluster.leader.hashed.at(-1)).toMatchObject({ keys: 2000, keysHashed: 2000 });
    await cluster.round();
    const rest = cluster.leader.hashed.at(-1)?.keysHashed ?? 0;
    expect(rest).toBeGreaterThan(100);
    expect(rest).toBeLessThan(900);
    expect(cluster.leader.verifier.status().dirtyBuckets).toBe(0);
    await cluster.commit(put("key-7", "new"));
    expect(cluster.leader.verifier.status().dirtyBuckets).toBe(1);
    cluster.close();
  });

  test("golden: hashes of keys, and of buckets", async () => {
    expect(["", "a", "key-1", "ключ"].map((text) => hash32(utf8Encode(text)))).toEqual(GOLDEN_HASHES);
    const cluster = new VirtualCluster(["n1"]);
    await cluster.commit(put("a", "1"), put("b", ""), put("k26", "3"), put("a", "2"));
    const round = await cluster.round();
    const answer = cluster.leader.verifier.answerRoot(round);
    const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");
    expect(cluster.leader.verifier.answerBuckets(round)?.map(({ hash }) => hex(hash))).toEqual(
      GOLDEN_BUCKETS,
    );
    expect(answer.kind === "done" && [hex(answer.residentHash), hex(answer.root)]).toEqual(GOLDEN_ROOTS);
    cluster.close();
  });
});

const GOLDEN_HASHES: number[] = [2872998923, 444641715, 1675941015, 2594288994];
const GOLDEN_BUCKETS = ["f1d0317670ac75afdd4e1b108e055565", "65687927dce2748f43d71836713af6e3"];
/** Of what is kept beside the records, and of all. */
const GOLDEN_ROOTS = [
  "053813eceff5f9202fc57b27f760c9cd64457bac4e11a8d7e33b812cf3f7eb98",
  "9e4245422258ab5613de4724cd19be3ed622f056b5bc64d33fcc54c9639c226d",
];
