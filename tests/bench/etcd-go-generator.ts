import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { KeySpace } from "./key-space";
import type { LoopResult } from "./latencies";
import type { LoadGenerator } from "./load-generator";
import { type ProcessUsage, usageOf } from "./process-usage";
import type { Operation, Workload } from "./workload";

/** What the driver in Go knows. */
const KNOWN: ReadonlySet<Operation> = new Set(["put", "get", "get-stale", "mixed", "cas", "scan", "txn"]);

/** How much longer than the loop itself its last calls may take. */
const ANSWER_MS_MAX = 60_000;

/** Whether the driver in Go can carry out a workload. */
export function isKnownToGo({ operation, load }: Workload): boolean {
  return load.kind === "closed" && KNOWN.has(operation);
}

/** The driver in Go, a process of its own that calls etcd through etcd's own client. */
export class EtcdGoGenerator implements LoadGenerator {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: Interface;
  readonly #ended: Promise<never>;
  readonly #answers: AsyncIterator<string>;

  private constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
    let complaint = "";
    this.#child.stderr.on("data", (part) => {
      complaint += part;
    });
    this.#ended = new Promise((_, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", () => reject(new Error(`the driver in Go has ended: ${complaint.trim()}`)));
    });
    // It ends when it is closed, too, and nobody waits then.
    this.#ended.catch(() => undefined);
    this.#child.stdin.on("error", () => undefined);
  }

  /**
   * @param program what {@link builtEtcdGoDriver} made
   * @param address host:port of the member that it calls
   */
  static async start(
    program: string,
    address: string,
    { operation, load }: Workload,
    { shape }: KeySpace,
    seed: number,
  ): Promise<EtcdGoGenerator> {
    const inFlight = load.kind === "closed" ? load.inFlight : 0;
    const generator = new EtcdGoGenerator(program, [
      ...["-endpoint", address, "-operation", operation, "-in-flight", String(inFlight)],
      ...["-keys", String(shape.keys), "-value-bytes", String(shape.valueBytes), "-seed", String(seed)],
    ]);
    try {
      await generator.#answer(ANSWER_MS_MAX);
      return generator;
    } catch (failure) {
      await generator.close();
      throw failure;
    }
  }

  async run(seconds: number): Promise<LoopResult> {
    this.#child.stdin.write(`${seconds}\n`);
    const result = JSON.parse(await this.#answer(seconds * 1000 + ANSWER_MS_MAX)) as LoopResult;
    if (result.operations === 0) throw new Error(result.failure ?? `nothing ended within ${seconds} s`);
    return result;
  }

  usage(): ProcessUsage {
    return usageOf(this.#child.pid as number);
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    // It ends by itself unless it is still in a loop, which nobody wants the end of.
    this.#child.kill();
    await this.#ended.catch(() => undefined);
    this.#lines.close();
  }

  async #answer(msMax: number): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`the driver in Go does not answer within ${msMax} ms`)),
        msMax,
      );
    });
    try {
      const { value, done } = await Promise.race([this.#answers.next(), this.#ended, tooLate]);
      return done === true ? await this.#ended : value;
    } finally {
      clearTimeout(timer);
    }
  }
}
