import { describe, expect, it } from "@jest/globals";
import { type LogStore, StoreFailure } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { createLogOn, openLogOn } from "@quorate/services/storage";
import { isLongRun } from "../../support/long-run";
import { CrashingLogDisk, type Ending } from "./crashing-log-disk";
import { drawnStep, EMPTY_LOG, heldBy, type LogModel, shown } from "./log-model";

const SEEDS = Array.from({ length: isLongRun ? 300 : 40 }, (_, at) => at + 1);
const LIVES = 12;
const ENDINGS: readonly Ending[] = ["killed", "power lost", "write failed"];
const BEGIN = { term: 0, index: 0 };

/** Segments of a record or some, and reads from the disk as often as from memory. */
function open(disk: CrashingLogDisk, random: Random): Promise<LogStore> {
  return openLogOn(disk.mounted(), {
    path: "log",
    tailBytesMax: random.below(2) * 4000,
    segmentBytesMax: random.below(2) === 0 ? 100 : 400 + random.below(2000),
    lock: { release: async () => {} },
  });
}

/** One life of a log after another, on one disk. */
class Lives {
  private readonly random: Random;
  private readonly disk: CrashingLogDisk;
  /** What the log may hold: from what was acknowledged last to what was asked for last. */
  private possible: LogModel[] = [EMPTY_LOG];
  lived = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.disk = new CrashingLogDisk(this.random.fork());
  }

  async begin(): Promise<void> {
    await createLogOn(this.disk.mounted(), BEGIN);
  }

  async live(): Promise<void> {
    const ending = ENDINGS[this.random.below(ENDINGS.length)] as Ending;
    const ended = this.disk.endAfter(this.random.below(20), ending);
    const log = await Promise.race([this.opened(ending), ended.then(() => null)]);
    if (log !== null) {
      this.lived += 1;
      this.settleOn(heldBy(log));
      await Promise.race([this.work(log), ended]);
      const [acknowledged, ...more] = this.possible as [LogModel, ...LogModel[]];
      // Also what it shows is durable.
      const seen = [acknowledged, ...more].map(shown);
      expect(seen).toContain(shown(heldBy(log)));
      // So that what goes on in the background comes to its end, too.
      if (this.random.below(2) === 0) await Promise.race([log.close(), ended]);
    }
    this.disk.endNow(ENDINGS[this.random.below(2)] as Ending);
  }

  /** null where the disk ended meanwhile. */
  private async opened(ending: Ending): Promise<LogStore | null> {
    try {
      return await open(this.disk, this.random);
    } catch (error) {
      const isItsEnd = ending === "write failed" && error instanceof StoreFailure && !error.dataLoss;
      if (!isItsEnd) throw error;
      return null;
    }
  }

  /** What was found is what counts from now on. */
  private settleOn(found: LogModel): void {
    const at = this.possible.map(shown).lastIndexOf(shown(found));
    if (at < 0) {
      expect(shown(found)).toBe(this.possible.map(shown).join("\n\nor\n\n"));
    }
    this.possible = [this.possible[at] as LogModel];
  }

  /** Resolves when all of it is done, or the log has ended. */
  private async work(log: LogStore): Promise<void> {
    for (let round = this.random.below(6); round >= 0; round -= 1) {
      const asked: Promise<void>[] = [];
      for (let count = this.random.below(4); count >= 0; count -= 1) {
        const step = drawnStep(this.random, this.possible.at(-1) as LogModel);
        this.possible.push(step.after);
        asked.push(
          step.run(log).then(() => {
            this.possible = this.possible.slice(this.possible.indexOf(step.after));
          }),
        );
      }
      const outcomes = await Promise.allSettled(asked);
      if (outcomes.some(({ status }) => status === "rejected")) return;
    }
  }
}

describe("the log on a disk that ends at any moment", () => {
  it("E6: it holds what was acknowledged, and of what was asked for after that whole steps in their order", async () => {
    let lived = 0;
    for (const seed of SEEDS) {
      const lives = new Lives(seed);
      try {
        await lives.begin();
        for (let life = 0; life < LIVES; life += 1) await lives.live();
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
      lived += lives.lived;
    }
    expect(lived).toBeGreaterThan(SEEDS.length * (LIVES / 3));
  });

  it("E8: with a flipped bit anywhere it is refused, or lacks nothing but its last step", async () => {
    let refused = 0;
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const disk = new CrashingLogDisk(random.fork());
      await createLogOn(disk.mounted(), BEGIN);
      const log = await open(disk, random);
      const models = [EMPTY_LOG];
      for (let step = 0; step < 30; step += 1) {
        const { run, after } = drawnStep(random, models.at(-1) as LogModel);
        await run(log);
        models.push(after);
      }
      await log.close();
      const names = disk.names();
      const name = names[random.below(names.length)] as string;
      // Behind that it is zeros, which say nothing.
      const written = disk.bytesOf(name).findLastIndex((byte) => byte !== 0) + 1;
      disk.flipBit(name, random.below(written));
      try {
        const held = shown(heldBy(await open(disk, random)));
        // A step may have changed nothing.
        expect([...new Set(models.map(shown))].slice(-2)).toContain(held);
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw new Error(`with seed ${seed}`, { cause: error });
        expect(error.dataLoss).toBe(true);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(SEEDS.length / 3);
  });
});
