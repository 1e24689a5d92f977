import type { Message } from "#raft";
import type { Transport } from "#replica";
import type { Delivery } from "./filter";
import type { Interference } from "./interference";

/**
 * A real Transport behind filters and cuts, so that what troubles a network in process troubles a gRPC cluster too. It
 * acts on the sending side: a cut between two members is one where both send through the same Interference, or each
 * through one that was told the same.
 */
export class FilteredTransport implements Transport {
  constructor(
    private readonly transport: Transport,
    private readonly interference: Interference,
  ) {}

  send(messages: readonly Message[]): void {
    const atOnce: Message[] = [];
    let isSending = true;
    for (const message of messages) {
      this.interference.pass(message, (delivery) => {
        if (this.interference.isCut(delivery.message)) return;
        // What a hold releases later leaves by itself.
        if (isSending && delivery.delayMs === 0) atOnce.push(delivery.message);
        else this.sendLater(delivery);
      });
    }
    isSending = false;
    if (atOnce.length > 0) this.transport.send(atOnce);
  }

  private sendLater({ message, delayMs }: Delivery): void {
    this.interference.timers.after(delayMs, () => {
      if (!this.interference.isCut(message)) this.transport.send([message]);
    });
  }
}
