import { CALM_CLIENTS, type ClientFaults } from "./client-faults";
import { endOf, type Fault } from "./fault";
import type { Schedule } from "./schedule";

export interface ShrinkOptions {
  /** How often `fails` may be asked. */
  readonly runsMax: number;
  /** Hears of each smaller schedule that still fails. */
  readonly progress?: (schedule: Schedule, runs: number) => void;
}

export interface Shrunk {
  /** Fails as the one that was handed in did. */
  readonly schedule: Schedule;
  readonly runs: number;
  /** False when the runs were used up before nothing smaller failed. */
  readonly isMinimal: boolean;
}

const WINDOW_US_MIN = 1000;

/**
 * Looks for a smaller schedule that still fails: fewer faults first (delta debugging: Zeller and Hildebrandt,
 * Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002), then better behaved clients, fewer operations, an
 * earlier end, shorter faults; again until nothing helps. The same answers give the same result.
 */
export async function shrink(
  schedule: Schedule,
  fails: (schedule: Schedule) => Promise<boolean>,
  options: ShrinkOptions,
): Promise<Shrunk> {
  const search = new Search(schedule, fails, options);
  let before: Schedule;
  do {
    before = search.best;
    await search.fewerFaults();
    await search.calmerClients();
    await search.fewerOperations();
    await search.earlierEnd();
    await search.shorterFaults();
  } while (search.best !== before && !search.isExhausted);
  return { schedule: search.best, runs: search.runs, isMinimal: !search.isExhausted };
}

class Search {
  runs = 0;
  private readonly known = new Set<string>();

  constructor(
    public best: Schedule,
    private readonly fails: (schedule: Schedule) => Promise<boolean>,
    private readonly options: ShrinkOptions,
  ) {
    this.known.add(JSON.stringify(best));
  }

  get isExhausted(): boolean {
    return this.runs >= this.options.runsMax;
  }

  /** The ddmin algorithm: tries every part alone, then every complement, then finer parts. */
  async fewerFaults(): Promise<void> {
    if (await this.accept({ ...this.best, faults: [] })) return;
    let parts = 2;
    while (this.best.faults.length >= 2 && !this.isExhausted) {
      const { faults } = this.best;
      const chunks = split(faults, parts);
      if (await this.acceptFirst(chunks)) {
        parts = 2;
      } else if (
        await this.acceptFirst(chunks.map((chunk) => faults.filter((fault) => !chunk.includes(fault))))
      ) {
        parts = Math.max(2, parts - 1);
      } else if (parts < faults.length) {
        parts = Math.min(faults.length, 2 * parts);
      } else {
        return;
      }
    }
  }

  async calmerClients(): Promise<void> {
    if (await this.accept({ ...this.best, clients: CALM_CLIENTS })) return;
    for (const name of Object.keys(CALM_CLIENTS) as (keyof ClientFaults)[]) {
      await this.accept({ ...this.best, clients: { ...this.best.clients, [name]: CALM_CLIENTS[name] } });
    }
  }

  /** The fewest that fail, as far as a bisection finds them. */
  async fewerOperations(): Promise<void> {
    await this.bisect(0, this.best.operations, (operations) => ({ ...this.best, operations }));
  }

  async earlierEnd(): Promise<void> {
    const end = Math.max(0, ...this.best.faults.map(endOf));
    await this.bisect(end, this.best.durationUs, (durationUs) => ({ ...this.best, durationUs }));
  }

  async shorterFaults(): Promise<void> {
    for (const position of this.best.faults.keys()) {
      const fault = this.best.faults[position] as Fault;
      if (!("untilUs" in fault) || fault.kind === "swizzle") continue;
      await this.bisect(fault.atUs + WINDOW_US_MIN, fault.untilUs, (untilUs) => ({
        ...this.best,
        faults: this.best.faults.map((other, at) => (at === position ? { ...fault, untilUs } : other)),
      }));
    }
  }

  private async bisect(low: number, high: number, candidate: (value: number) => Schedule): Promise<void> {
    let from = low;
    let to = high;
    while (from < to && !this.isExhausted) {
      const middle = Math.floor((from + to) / 2);
      if (await this.accept(candidate(middle))) to = middle;
      else from = middle + 1;
      // Beyond a hundredth part nothing is gained that would be worth a run.
      if (to - from <= Math.floor(high / 100)) return;
    }
  }

  private async acceptFirst(choices: readonly (readonly Fault[])[]): Promise<boolean> {
    for (const faults of choices) if (await this.accept({ ...this.best, faults })) return true;
    return false;
  }

  /** Takes the candidate when it fails. */
  private async accept(candidate: Schedule): Promise<boolean> {
    const name = JSON.stringify(candidate);
    if (this.known.has(name) || this.isExhausted) return false;
    this.known.add(name);
    this.runs += 1;
    if (!(await this.fails(candidate))) return false;
    this.best = candidate;
    this.options.progress?.(candidate, this.runs);
    return true;
  }
}

/** So many parts, as equal as can be, none empty. */
function split<T>(items: readonly T[], parts: number): readonly (readonly T[])[] {
  return Array.from({ length: parts }, (_, part) =>
    items.slice(Math.floor((part * items.length) / parts), Math.floor(((part + 1) * items.length) / parts)),
  ).filter((chunk) => chunk.length > 0);
}
