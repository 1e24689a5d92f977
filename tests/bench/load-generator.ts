import { closedLoop } from "./closed-loop";
import type { Driver } from "./driver";
import type { KeySpace } from "./key-space";
import type { LoopResult } from "./latencies";
import { openLoop } from "./open-loop";
import { supplyOf } from "./operations";
import { type ProcessUsage, usageOf } from "./process-usage";
import type { Workload } from "./workload";

/** Carries out one workload, as often as it is told. */
export interface LoadGenerator {
  /** Rejects where nothing at all succeeded. */
  run(seconds: number): Promise<LoopResult>;
  /** Of the process that makes the calls. */
  usage(): ProcessUsage;
  close(): Promise<void>;
}

/** Makes the calls from this process; the driver is closed with it, and where it cannot be made. */
export async function generatorHere(
  driver: Driver,
  { operation, load }: Workload,
  space: KeySpace,
  seed: number,
): Promise<LoadGenerator> {
  try {
    const supply = await supplyOf(operation, driver, space, seed);
    return {
      run: (seconds) =>
        load.kind === "closed"
          ? closedLoop(supply, { inFlight: load.inFlight, seconds })
          : openLoop(supply, { perSecond: load.perSecond, seconds }),
      usage() {
        const { user, system } = process.cpuUsage();
        // In finer steps than the system tells of other processes.
        return { ...usageOf(process.pid), cpuMicros: user + system };
      },
      close: () => driver.close(),
    };
  } catch (failure) {
    await driver.close();
    throw failure;
  }
}
