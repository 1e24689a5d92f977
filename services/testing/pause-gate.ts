/** Holds everything back while a node is paused, and lets it go in its order when the node goes on. */
export class PauseGate {
  private held: (() => void)[] | null = null;

  get isPaused(): boolean {
    return this.held !== null;
  }

  pause(): void {
    this.held ??= [];
  }

  resume(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const run of held) run();
  }

  /** The node will never go on: what was held back is gone. */
  drop(): void {
    this.held = null;
  }

  /** Now, or when the node goes on. */
  pass(run: () => void): void {
    if (this.held === null) run();
    else this.held.push(run);
  }
}
