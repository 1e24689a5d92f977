import { setTimeout as delay } from "node:timers/promises";
import { connect, type Quorate } from "@quorate/client";
import type { LocalCluster } from "@quorate/services/launcher";
import type { Terminal } from "#cli/terminal";

/** Something that a demo claims did not hold. */
export class DemoFailed extends Error {
  override readonly name = "DemoFailed";
}

const CALL_MS_MAX = 30_000;
const ELECTION_MS_MAX = 20_000;
const LOOK_INTERVAL_MS = 50;

/** A client for a demo: that the machine is slow is no claim of it that fails. */
export function patientClient(endpoints: string): Quorate {
  return connect({ endpoints, deadlineMs: CALL_MS_MAX });
}

/** Where a demo is played: a running cluster, a client, and an audience. */
export class Stage {
  private readonly clients: Quorate[] = [];

  constructor(
    readonly cluster: LocalCluster,
    readonly quorate: Quorate,
    private readonly terminal: Terminal,
  ) {}

  /** Says what is about to be shown. */
  async say(text: string): Promise<void> {
    await this.terminal.out(`\n  ${text}\n`);
  }

  /** Shows a call with what came of it. */
  async show(call: string, result: unknown): Promise<void> {
    await this.terminal.out(`    ${call}${result === undefined ? "" : `  ->  ${worded(result)}`}\n`);
  }

  /** Says what has been seen to hold; ends the demo when it does not. */
  async holds(claim: string, condition: boolean): Promise<void> {
    if (!condition) throw new DemoFailed(`this should hold, but does not: ${claim}`);
    await this.terminal.out(`    ok: ${claim}\n`);
  }

  /** A client of one node alone. */
  clientOf(memberId: string): Quorate {
    const client = patientClient(this.cluster.addressOf(memberId));
    this.clients.push(client);
    return client;
  }

  /** A client of its own, as another program would have. */
  anotherClient(): Quorate {
    const client = patientClient(this.cluster.endpoints);
    this.clients.push(client);
    return client;
  }

  /** The member that leads now; waits for an election that is under way. */
  async leaderId(): Promise<string> {
    const startedAt = performance.now();
    while (performance.now() - startedAt < ELECTION_MS_MAX) {
      const { leaderId } = await this.quorate.cluster.status();
      if (leaderId !== "") return leaderId;
      await delay(LOOK_INTERVAL_MS);
    }
    throw new DemoFailed(`no member came to lead within ${ELECTION_MS_MAX / 1000} s`);
  }

  /** Closes what the demo opened. */
  async close(): Promise<void> {
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
  }
}

/** A demo: what it is about, and its acts. */
export interface Demo {
  readonly description: string;
  run(stage: Stage): Promise<void>;
}

function worded(result: unknown): string {
  if (typeof result === "bigint") return `${result}n`;
  if (result instanceof Error) return `${result.name}: ${result.message}`;
  return typeof result === "string" ? JSON.stringify(result) : String(JSON.stringify(result) ?? result);
}
