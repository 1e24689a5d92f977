import { describe, expect, test } from "@jest/globals";
import type { WatchOptions } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { seededRandom } from "@quorate/services/std";
import { isLongRun } from "../../support/long-run";
import { FakeWatchCluster, type FrameFate, type FrameView } from "./fake-watch-cluster";
import { A, B, C, filled, once, openStreams, takenUpTo, told } from "./watch-rig";

const BREAKS = {
  "the connection breaks": "break",
  "the stream ends": "finish",
  "the endpoint falls silent": "silence",
  "the watch is ended as slow": { ended: ErrorReason.SLOW_WATCHER },
  "the node loses its leader": { ended: ErrorReason.NO_LEADER },
  "the node shuts down": { ended: ErrorReason.SHUTTING_DOWN },
  "the node serves too many watches": { ended: ErrorReason.TOO_MANY_WATCHES },
  "the watch is cancelled by nobody": { ended: ErrorReason.CANCELLED },
  "a reason of a newer server": { ended: 999 as ErrorReason },
} as const satisfies Record<string, FrameFate>;

const PLACES = {
  "at its creation": ({ kind }: FrameView) => kind === "created",
  "at its first changes": ({ kind }: FrameView) => kind === "events",
  "between changes": ({ kind, at }: FrameView) => kind === "events" && at > 6,
  "before the rest of a revision": ({ kind, continues }: FrameView) => kind === "events" && continues,
  "before the first part of a revision": ({ kind, more, at }: FrameView) =>
    kind === "events" && more && at > 3,
} as const satisfies Record<string, (frame: FrameView) => boolean>;

const ROWS = Object.entries(BREAKS).flatMap(([what, fate]) =>
  Object.entries(PLACES).map(([where, fits]) => ({ what, where, fate: fate as FrameFate, fits })),
);

describe("every break", () => {
  test.each(ROWS)("I5: $what $where: each change is told once, in order", async ({ fate, fits }) => {
    const cluster = filled();
    cluster.fate = once(fits, fate);
    const watch = cluster.client.kv.watch({}, { fromRevision: 1 });
    const taken = await takenUpTo(cluster, watch, cluster.revision);
    expect(taken).toEqual(cluster.changesFrom(1));
    expect(cluster.creations.length).toBeGreaterThan(1);
    expect(await openStreams(cluster)).toBe(0);
  });
});

describe("any number of breaks", () => {
  const fates: readonly FrameFate[] = Object.values(BREAKS);

  test.each(Array.from({ length: isLongRun ? 60 : 20 }, (_, seed) => seed))(
    "I2, I5: changes and state are told once and in order, seed %i",
    async (seed) => {
      const random = seededRandom(seed);
      const cluster = new FakeWatchCluster(`${A},${B},${C}`);
      cluster.frameEvents = 1 + random.below(4);
      const write = () => {
        const keys = Array.from({ length: 8 }, (_, at) => `k${at}`).filter(() => random.below(3) === 0);
        cluster.write(
          ...[...keys, "always"].map(
            (key) => [key, random.below(4) === 0 && key !== "always" ? null : `${cluster.revision}`] as const,
          ),
        );
      };
      for (let at = 0; at < 15; at += 1) write();
      const begun = cluster.revision;
      let left = 25;
      cluster.fate = () => {
        if (left > 0 && random.below(3) === 0) {
          left -= 1;
          write();
        }
        return random.below(4) === 0 ? (fates[random.below(fates.length)] as FrameFate) : "send";
      };
      const withState = random.below(2) === 0;
      const options: WatchOptions = withState ? { currentState: true } : { fromRevision: 3 };
      const watch = cluster.client.kv.watch({}, options);
      const taken: string[] = [];
      const consume = async () => {
        for await (const event of watch) {
          taken.push(told(event));
          if (left === 0 && taken.at(-1)?.startsWith(`${cluster.revision} put always`)) break;
          if (random.below(10) === 0) await cluster.passMs(5);
        }
      };
      await cluster.timing.drive(consume());
      const synced = taken.findIndex((event) => event.startsWith("synced"));
      const revision = withState ? Number(taken[synced]?.split(" ")[1]) : 2;
      expect(revision).toBeGreaterThanOrEqual(withState ? begun : 2);
      const state = [...cluster.stateAt(revision)].map(
        ([key, { value }]) => `current ${key}=${Buffer.from(value).toString()}`,
      );
      expect(taken).toEqual([
        ...(withState ? [...state, `synced ${revision}`] : []),
        ...cluster.changesFrom(revision + 1),
      ]);
      expect(watch.revision).toBe(cluster.revision - 1);
      expect(await openStreams(cluster)).toBe(0);
    },
  );
});
