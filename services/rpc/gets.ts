import { decodeGetRequest, encodeGetResponse, GetRequest } from "@quorate/proto/kv";
import type { ByteCall } from "#forward";
import type { Cancellation, ReadRequest } from "#replica";
import { plainHeader } from "./header";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { readFailure } from "./outcome-failures";
import { placeOf, type ReadFields, readRequest, refuseUnlessLeader } from "./read-methods";
import { checkKey } from "./request-fields";

/** So many keys are looked up at a time; the next when these are answered. */
const KEYS_PER_READ = 128;

interface Get {
  readonly call: ByteCall;
  readonly key: Uint8Array;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (failure: unknown) => void;
}

/**
 * Serves Get. Those that come in one turn of the event loop, as from one frame of a pipeline, and want the same but for their
 * keys, share one read point and one look-up: to be waited for, each by itself, is most of what a get costs.
 */
export class Gets {
  private readonly node: NodeContext;
  private newest: GetsTogether | null = null;

  constructor(node: NodeContext) {
    this.node = node;
  }

  /** Throws, too, what a caller is told of a request that is refused. */
  serve(call: ByteCall): Promise<Uint8Array> {
    const { node } = this;
    const fields = decodeGetRequest(call.body) ?? decodeRequest(GetRequest, call.body);
    const key = checkKey(fields.key, node.limits);
    const together = this.newest?.takes(fields) === true ? this.newest : this.begin(fields);
    refuseUnlessLeader(node, together.request, call);
    return new Promise((resolve, reject) => {
      together.gets.push({ call, key, resolve, reject });
    });
  }

  private begin(fields: ReadFields): GetsTogether {
    const together = new GetsTogether(this.node, fields);
    this.newest = together;
    // Not queueMicrotask(), which fake timers of a test runner replace: a cluster in such a test goes on.
    void Promise.resolve().then(() => {
      if (this.newest === together) this.newest = null;
      together.answer().catch((error: unknown) => together.fail(error));
    });
    return together;
  }
}

/** Gets that want the same but for their keys. Cancelled when nobody waits for any of them any more. */
class GetsTogether implements Cancellation {
  readonly gets: Get[] = [];
  private readonly node: NodeContext;
  private readonly fields: ReadFields;
  readonly request: ReadRequest;
  private onAbort: (() => void) | null = null;
  /** All before this one are cancelled. */
  private firstOpen = 0;

  constructor(node: NodeContext, fields: ReadFields) {
    this.node = node;
    this.fields = fields;
    this.request = readRequest(fields);
  }

  takes(fields: ReadFields): boolean {
    const { namespace, consistency, minRevision, maxStalenessMs, revision } = this.fields;
    return (
      namespace === fields.namespace &&
      consistency === fields.consistency &&
      minRevision === fields.minRevision &&
      maxStalenessMs === fields.maxStalenessMs &&
      revision === fields.revision
    );
  }

  async answer(): Promise<void> {
    const { node, request } = this;
    if (this.aborted) return this.fail(readFailure({ kind: "cancelled" }, request));
    const point = await node.replica.readPoint(request, this);
    if (point.kind !== "ready") {
      for (const { reject } of this.gets) reject(readFailure(point, request));
      return;
    }
    const header = plainHeader(node, point.term, point.revision);
    for (let from = 0; from < this.gets.length && !this.aborted; from += KEYS_PER_READ) {
      const gets = this.gets.slice(from, from + KEYS_PER_READ);
      const keys = gets.map(({ key }) => key);
      const records = await node.replica.state.records({ ...placeOf(point), keys, keysOnly: false });
      for (let at = 0; at < gets.length; at += 1) {
        (gets[at] as Get).resolve(encodeGetResponse(header, records[at] ?? null));
      }
    }
    if (this.aborted) this.fail(readFailure({ kind: "cancelled" }, request));
  }

  /** Those that have no answer yet. */
  fail(failure: unknown): void {
    for (const { reject } of this.gets) reject(failure);
  }

  get aborted(): boolean {
    while (this.firstOpen < this.gets.length && this.gets[this.firstOpen]?.call.aborted === true) {
      this.firstOpen += 1;
    }
    return this.firstOpen === this.gets.length;
  }

  /** Listens to one of the calls at a time, for there is something to tell only when the last of them is cancelled. */
  addEventListener(_type: "abort", run: () => void): void {
    const follow = (): void => {
      if (this.aborted) run();
      else this.followed().addEventListener("abort", follow);
    };
    this.onAbort = follow;
    if (!this.aborted) this.followed().addEventListener("abort", follow);
  }

  removeEventListener(): void {
    if (this.onAbort === null) return;
    if (!this.aborted) this.followed().removeEventListener("abort", this.onAbort);
    this.onAbort = null;
  }

  private followed(): ByteCall {
    return (this.gets[this.firstOpen] as Get).call;
  }
}
