import type { Host } from "./host";
import { TestClusterError } from "./test-cluster-error";

/** The starts and ends of one node, one after the other, whoever asks for them and however many at once. */
export class NodeLife {
  private starting: Promise<void> | null = null;
  private isClosed = false;

  constructor(private readonly host: Host) {}

  /** At once, unless it is being started: a node that opens its stores can be ended only when they are open. */
  async kill(): Promise<void> {
    if (this.starting !== null) await Promise.allSettled([this.starting]);
    await this.host.kill();
  }

  /** Those who ask while it is being started get that start. */
  restart(): Promise<void> {
    this.starting ??= this.startAgain().finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  /** It is not started any more: a test that ran into its timeout may still ask for that. */
  async close(): Promise<void> {
    this.isClosed = true;
    if (this.starting !== null) await Promise.allSettled([this.starting]);
  }

  private async startAgain(): Promise<void> {
    this.checkOpen();
    await this.host.kill();
    this.checkOpen();
    await this.host.start();
  }

  private checkOpen(): void {
    if (this.isClosed) throw new TestClusterError("the cluster is closed");
  }
}
