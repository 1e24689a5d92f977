import type { ResidentState, StateWrites } from "#kv";
import { endedGenerations } from "./gathered-writes";
import { GenerationRemoval } from "./generation-removal";
import { HistoryRemoval } from "./history-removal";
import type { RemovalParts } from "./removal";
import { SpaceReturn } from "./space-return";
import type { EndedGeneration } from "./state-records";

/**
 * Removes what nobody can begin to read any more, in slices between other writes: generations that ended, and history
 * that compactions gave up. Each slice is a numbered batch like any other and leaves nothing half done, so that a restart
 * goes on where this stopped. Scans that are under way have snapshots.
 */
export class Reclaimer {
  private readonly generations: GenerationRemoval;
  private readonly history: HistoryRemoval;
  private readonly space: SpaceReturn;
  private readonly ended: EndedGeneration[];
  private running: Promise<void> | null = null;
  private isReleased = false;

  /** @param ended generations whose removal a restart broke off, or kept from beginning */
  constructor(
    private readonly parts: RemovalParts,
    resident: ResidentState,
    ended: readonly EndedGeneration[],
  ) {
    this.space = new SpaceReturn(parts.handle, parts.stateWriter);
    this.generations = new GenerationRemoval(parts, this.space);
    this.history = new HistoryRemoval(parts, this.space, resident);
    this.ended = [...ended];
    this.start();
  }

  /** Takes over what a batch gave up, when it is written and the floors know it. */
  noteWritten(writes: StateWrites): void {
    this.ended.push(...endedGenerations(writes));
    this.history.noteWritten(writes);
    this.start();
  }

  /** A state was frozen, and what is removed keeps its space until it is let go of. */
  noteFrozen(state: object): void {
    this.space.noteFrozen(state);
  }

  /** A frozen state was let go of. */
  noteReleased(state: object): void {
    if (!this.space.noteReleased(state)) return;
    this.isReleased = true;
    this.start();
  }

  /** Resolves when nothing is left to remove, or the handle has ended. */
  async settle(): Promise<void> {
    await this.running;
  }

  private start(): void {
    const isDue = this.ended.length > 0 || this.history.isDue || this.isReleased;
    if (this.running !== null || !isDue) return;
    this.isReleased = false;
    this.running = this.run().finally(() => {
      this.running = null;
      if (this.isReleased) this.start();
    });
  }

  private async run(): Promise<void> {
    try {
      for (;;) {
        const ended = this.ended.shift();
        if (ended !== undefined) await this.generations.remove(ended);
        else if (this.history.isDue) await this.history.removeNext();
        else if (!(await this.history.removeLeft()) && !(await this.space.returnDue())) return;
      }
    } catch (error) {
      // The failure is the handle's from here on: the next write or read meets it.
      this.parts.handle.fault("could not remove what was given up", error);
    }
  }
}
