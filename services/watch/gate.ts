/** Lets so many reads of the store run at a time; the others wait their turn. */
export class Gate {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly runningMax: number) {}

  async pass<T>(read: () => Promise<T>): Promise<T> {
    if (this.running >= this.runningMax) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    } else {
      this.running += 1;
    }
    try {
      return await read();
    } finally {
      // The place goes to the next one as it is, so that nobody can come in between.
      const next = this.waiting.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}
