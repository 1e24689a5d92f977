import type { Endpoint } from "#client/endpoint-pool";
import type { Timing } from "#client/timing";
import { WatchStream } from "./stream";

/** The open watches of a client and the streams they share, one an endpoint. */
export class Watches {
  readonly #timing: Timing;
  readonly #streams = new Map<string, WatchStream>();
  readonly #open = new Set<{ close(): void }>();

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** The stream to an endpoint, opened where there is none. */
  streamTo(endpoint: Endpoint): WatchStream {
    const { address } = endpoint;
    const present = this.#streams.get(address);
    if (present !== undefined) return present;
    const stream: WatchStream = new WatchStream(endpoint, this.#timing, () => {
      if (this.#streams.get(address) === stream) this.#streams.delete(address);
    });
    this.#streams.set(address, stream);
    return stream;
  }

  /** A watch has begun; what is returned is to be called when it has ended. */
  add(watch: { close(): void }): () => void {
    this.#open.add(watch);
    return () => this.#open.delete(watch);
  }

  /** Ends all watches. */
  close(): void {
    for (const watch of [...this.#open]) watch.close();
  }
}
