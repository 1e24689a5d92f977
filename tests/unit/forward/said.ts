/** Messages that a test says one by one. */
export class Said implements AsyncIterable<Buffer> {
  taken = 0;
  isLetGo = false;
  private readonly waiting: IteratorResult<Buffer, undefined>[] = [];
  private wake: () => void = () => {};

  say(...bytes: number[]): void {
    this.tell(Buffer.from(bytes));
  }

  tell(message: Uint8Array): void {
    this.waiting.push({ value: Buffer.from(message), done: false });
    this.wake();
  }

  end(): void {
    this.waiting.push({ value: undefined, done: true });
    this.wake();
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return {
      next: async () => {
        while (this.waiting.length === 0) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
        this.taken += 1;
        return this.waiting.shift()!;
      },
      return: () => {
        this.isLetGo = true;
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }
}
