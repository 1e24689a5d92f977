/** Requests for a stream, sent in the order they were made. Few and small: creations, cancellations, questions. */
export class RequestQueue<Request> implements AsyncIterable<Request> {
  readonly #requests: Request[] = [];
  #hasEnded = false;
  #wake: () => void = () => undefined;

  push(request: Request): void {
    this.#requests.push(request);
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  [Symbol.asyncIterator](): AsyncIterator<Request, undefined> {
    return {
      next: async () => {
        for (;;) {
          const value = this.#requests.shift();
          if (value !== undefined) return { done: false, value };
          if (this.#hasEnded) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      },
      return: async () => {
        this.end();
        return { done: true, value: undefined };
      },
    };
  }
}
