type Parts<Item> = AsyncGenerator<readonly Item[], void, undefined>;

const DONE = { done: true, value: undefined } as const;

/**
 * The items of parts one by one, each made when it is asked for. Items that are there cost one promise each, where a
 * generator that yields them costs three.
 */
export class Flattened<Item, Made> implements AsyncIterableIterator<Made, void, undefined> {
  readonly #parts: Parts<Item>;
  readonly #make: (item: Item) => Made;
  #part: readonly Item[] = [];
  #next = 0;
  /** Settles when all that was asked for so far is answered; null where nothing is waited for. */
  #waiting: Promise<unknown> | null = null;

  constructor(parts: Parts<Item>, make: (item: Item) => Made) {
    this.#parts = parts;
    this.#make = make;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Made, void>> {
    if (this.#waiting !== null || this.#next >= this.#part.length)
      return this.#inTurn(() => this.#nextOfParts());
    return Promise.resolve(this.#take());
  }

  return(): Promise<IteratorResult<Made, void>> {
    return this.#inTurn(async () => {
      this.#part = [];
      this.#next = 0;
      await this.#parts.return();
      return DONE;
    });
  }

  #take(): IteratorResult<Made, void> {
    const item = this.#part[this.#next] as Item;
    this.#next += 1;
    return { done: false, value: this.#make(item) };
  }

  async #nextOfParts(): Promise<IteratorResult<Made, void>> {
    while (this.#next >= this.#part.length) {
      const { done, value } = await this.#parts.next();
      if (done === true) return DONE;
      this.#part = value;
      this.#next = 0;
    }
    return this.#take();
  }

  /** One after another in the order in which they were asked for, as a generator does it. */
  #inTurn(run: () => Promise<IteratorResult<Made, void>>): Promise<IteratorResult<Made, void>> {
    const answered = this.#waiting === null ? run() : this.#waiting.then(run);
    // Before whoever asked goes on, who then asks for what is there.
    const clear = (): void => {
      if (this.#waiting === settled) this.#waiting = null;
    };
    const settled: Promise<void> = answered.then(clear, clear);
    this.#waiting = settled;
    return answered;
  }
}
