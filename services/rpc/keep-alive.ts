import {
  LeaseServiceKeepAliveRequest,
  LeaseServiceKeepAliveResponse,
  type ResponseHeader,
} from "@quorate/proto/kv";
import { Refusal } from "@quorate/proto/log";
import type { ByteCall, ByteSink } from "#forward";
import { renewLeasesCommand } from "#kv";
import { BoundedQueue } from "#std";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { refusalFailure } from "./outcome-failures";
import { checkNamespace, checkNotNegative } from "./request-fields";
import { decide } from "./submit";

/** How many renewals of one stream wait while a command is under way; no more are read until there is room. */
const WAITING_MAX = 1024;

interface Renewal {
  readonly namespace: string;
  readonly leaseId: bigint;
}

/**
 * Renews leases, one with each message, and answers each in order. What arrives while a command is under way goes into
 * the next one together, so a caller with a thousand leases costs the log no more than one with two.
 */
export async function keepAlive(
  node: NodeContext,
  call: ByteCall,
  source: AsyncIterable<Buffer>,
  sink: ByteSink,
): Promise<void> {
  const waiting = new WaitingRenewals(source);
  waiting.begin();
  for (;;) {
    const renewals = await waiting.take();
    if (renewals === null) return;
    const { header, ttls } = await renew(node, call, renewals);
    for (const { leaseId } of renewals) {
      const ttlMs = ttls.get(leaseId) ?? 0n;
      await sink.write(LeaseServiceKeepAliveResponse.encode({ header, leaseId, ttlMs }).finish());
    }
  }
}

/** @param renewals at least one, all of one namespace */
async function renew(
  node: NodeContext,
  call: ByteCall,
  renewals: readonly Renewal[],
): Promise<{ readonly header: ResponseHeader; readonly ttls: ReadonlyMap<bigint, bigint> }> {
  const namespace = renewals[0]?.namespace ?? "";
  const leaseIds = [...new Set(renewals.map(({ leaseId }) => leaseId))];
  // Under no request id: to renew a lease twice is to renew it.
  const command = renewLeasesCommand({ namespace, requestId: null, wallTimeMs: node.wallMs() }, leaseIds);
  const { result, header } = await decide(node, call, command);
  if (result.$case === "done") {
    return { header, ttls: new Map(result.value.renewals.map(({ leaseId, ttlMs }) => [leaseId, ttlMs])) };
  }
  // The leases ended with their namespace, which is no reason to let go of those of other namespaces.
  if (result.value.refusal === Refusal.UNKNOWN_NAMESPACE) return { header, ttls: new Map() };
  throw refusalFailure(result.value);
}

type Ending = { readonly kind: "said_all" } | { readonly kind: "failed"; readonly thrown: unknown };

/** What was read and not yet renewed. */
class WaitingRenewals {
  private readonly source: AsyncIterable<Buffer>;
  private readonly queue = new BoundedQueue<Renewal>(WAITING_MAX);
  /** Set when nothing more comes. */
  private ending: Ending | null = null;
  private onSomething: () => void = () => {};
  private onRoom: () => void = () => {};

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source;
  }

  begin(): void {
    this.read().then(
      () => this.end({ kind: "said_all" }),
      (thrown: unknown) => this.end({ kind: "failed", thrown }),
    );
  }

  /**
   * The oldest that wait, of one namespace, once there are any; null once none will come. What ended the messages is
   * thrown when all that came before has been taken.
   */
  async take(): Promise<readonly Renewal[] | null> {
    while (this.queue.length === 0 && this.ending === null) {
      await new Promise<void>((resolve) => {
        this.onSomething = resolve;
      });
    }
    const first = this.queue.peek();
    if (first === undefined) {
      if (this.ending?.kind === "failed") throw this.ending.thrown;
      return null;
    }
    const renewals: Renewal[] = [];
    for (let next = this.queue.peek(); next?.namespace === first.namespace; next = this.queue.peek()) {
      renewals.push(next);
      this.queue.shift();
    }
    this.onRoom();
    return renewals;
  }

  private async read(): Promise<void> {
    for await (const message of this.source) {
      const { namespace, leaseId } = decodeRequest(LeaseServiceKeepAliveRequest, message);
      this.queue.push({
        namespace: checkNamespace(namespace),
        leaseId: checkNotNegative(leaseId, "lease_id"),
      });
      this.onSomething();
      if (this.queue.isFull) {
        await new Promise<void>((resolve) => {
          this.onRoom = resolve;
        });
      }
    }
  }

  private end(ending: Ending): void {
    this.ending = ending;
    this.onSomething();
  }
}
