import { openLoop } from "../open-loop";
import { keyOf, numberedValue } from "./data";
import type { Figures } from "./goal";
import type { Scenario, Stage } from "./scenario";

type Option = "rate" | "factor" | "seconds";

const WINDOW_SECONDS = 0.25;
const BACK_SECONDS_MAX = 30;

/** A base line of a few milliseconds would make a single pause of the machine a failure. */
const LIMIT_MS_MIN = 25;

/** A steady rate, then ten times as much for some seconds, then the steady rate again. */
export const spike: Scenario<Option> = {
  about: "a tenfold spike: how long until the latency is back at the base line",
  rounds: 3,
  options: {
    rate: { default: 200, about: "puts a second before and after, open loop" },
    factor: { default: 10, about: "how many times as much the spike is" },
    seconds: { default: 5, about: "length of the base line and of the spike" },
  },
  round,
  goals: () => [
    { figure: "backAfterSeconds", is: "below", limit: 1 },
    { figure: "failed", is: "at most", limit: 0 },
  ],
};

async function round(
  stage: Stage,
  { rate, factor, seconds }: Readonly<Record<Option, number>>,
): Promise<Figures> {
  const subject = await stage.cluster();
  const client = await subject.connect();
  let written = 0;
  const put = () => {
    written += 1;
    return client.put(keyOf("spike-", written % 10_000), numberedValue(written));
  };
  try {
    await openLoop(put, { perSecond: rate, seconds: 2 });
    const base = await openLoop(put, { perSecond: rate, seconds });
    const startedAtMs = performance.now();
    const spiked = await openLoop(put, { perSecond: rate * factor, seconds });
    // What the spike left open when its last put was due counts as well.
    const endedAtMs = startedAtMs + seconds * 1000;
    const limitMs = Math.max(2 * base.p95Ms, LIMIT_MS_MIN);
    let failed = base.failed + spiked.failed;
    let backAtMs = Number.POSITIVE_INFINITY;
    while (backAtMs === Number.POSITIVE_INFINITY && performance.now() < endedAtMs + BACK_SECONDS_MAX * 1000) {
      const beganAtMs = performance.now();
      const window = await openLoop(put, {
        perSecond: rate,
        seconds: Math.ceil(rate * WINDOW_SECONDS) / rate,
      });
      failed += window.failed;
      if (window.p95Ms <= limitMs) backAtMs = beganAtMs;
    }
    return {
      baseP50Ms: base.p50Ms,
      baseP95Ms: base.p95Ms,
      spikeP50Ms: spiked.p50Ms,
      spikeP95Ms: spiked.p95Ms,
      spikeMaxMs: spiked.maxMs,
      limitMs,
      backAfterSeconds: Math.max(0, backAtMs - endedAtMs) / 1000,
      failed,
    };
  } finally {
    await client.close();
  }
}
