import { setTimeout as delay } from "node:timers/promises";
import type { Profile } from "@quorate/services/launcher";
import { openLoop } from "../open-loop";
import { keyOf, numberedValue } from "./data";
import type { Figures } from "./goal";
import type { Scenario, Stage } from "./scenario";
import type { Subject } from "./subject";

type Option = "rate" | "seconds";

/** How long the load runs before a node is killed. */
const BEFORE_SECONDS = 1;

/** The longest gap after the leader's death. */
const GAP_MS_BELOW = { default: 500, fast: 250, wan: 15_000 } as const satisfies Record<Profile, number>;

/** The leader is killed (SIGKILL) under load, started again, and then a follower. */
export const failover: Scenario<Option> = {
  about: "kill -9 of the leader, then of a follower, under load: the longest gap between acknowledgements",
  rounds: 5,
  options: {
    rate: { default: 200, about: "puts a second, open loop" },
    seconds: { default: 4, about: "how long the load goes on after a death" },
  },
  round,
  goals: (profile) => [
    { figure: "leaderGapMs", is: "below", limit: GAP_MS_BELOW[profile] },
    { figure: "slowestOverGap", is: "at most", limit: 2 },
    { figure: "failed", is: "at most", limit: 0 },
    { figure: "followerGapMs", is: "below", limit: 25 },
  ],
};

async function round(stage: Stage, options: Readonly<Record<Option, number>>): Promise<Figures> {
  const subject = await stage.cluster();
  const leader = await subject.leader();
  const ofLeader = await death(subject, leader, options);
  const followers = subject.nodes.filter((node) => node !== ofLeader.nextLeader);
  const ofFollower = await death(subject, followers[0] as string, options);
  return {
    leaderGapMs: ofLeader.gapMs,
    slowestMs: ofLeader.slowestMs,
    slowestOverGap: ofLeader.slowestMs / ofLeader.gapMs,
    followerGapMs: ofFollower.gapMs,
    quietGapMs: Math.max(ofLeader.quietGapMs, ofFollower.quietGapMs),
    failed: ofLeader.failed + ofFollower.failed,
  };
}

interface Death {
  /** The longest time without an acknowledgement after the node was killed. */
  readonly gapMs: number;
  /** The same before: what the machine does by itself. */
  readonly quietGapMs: number;
  /** The slowest acknowledged put. */
  readonly slowestMs: number;
  readonly failed: number;
  readonly nextLeader: string;
}

async function death(
  subject: Subject,
  node: string,
  { rate, seconds }: Readonly<Record<Option, number>>,
): Promise<Death> {
  const client = await subject.connectToAll();
  const acknowledgedAtMs: number[] = [];
  let written = 0;
  const put = async () => {
    written += 1;
    await client.put(keyOf("failover-", written % 10_000), numberedValue(written));
    acknowledgedAtMs.push(performance.now());
  };
  try {
    await put();
    const loading = openLoop(put, { perSecond: rate, seconds: BEFORE_SECONDS + seconds });
    await delay(BEFORE_SECONDS * 1000);
    const killedAtMs = performance.now();
    await subject.kill(node);
    const load = await loading;
    await subject.spawn(node);
    const nextLeader = await subject.leader();
    await subject.level();
    return {
      gapMs: longestGapMs(acknowledgedAtMs, killedAtMs, performance.now()),
      quietGapMs: longestGapMs(acknowledgedAtMs, Number.NEGATIVE_INFINITY, killedAtMs),
      slowestMs: load.maxMs,
      failed: load.failed,
      nextLeader,
    };
  } finally {
    await client.close();
  }
}

/** Of the gaps that ended between the two times. */
export function longestGapMs(atMs: readonly number[], fromMs: number, toMs: number): number {
  const gapsMs = atMs.flatMap((at, index) => {
    const before = atMs[index - 1];
    return before === undefined || at < fromMs || at > toMs ? [] : [at - before];
  });
  return Math.max(...gapsMs);
}
