import { decodeGetRequest, encodeGetResponse, GetRequest } from "@quorate/proto/kv";
import type { ByteCall, EndingCall } from "#forward";
import type { Cancellation, ReadRequest } from "#replica";
import { plainHeader } from "./header";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { readFailure } from "./outcome-failures";
import { placeOf, type ReadFields, readRequest, refuseUnlessLeader } from "./read-methods";
import { checkKey } from "./request-fields";

/** So many keys are looked up at a time; the next when these are answered. */
const KEYS_PER_READ = 128;

/** A Get that waits for its answer. */
interface Get {
  readonly call: ByteCall;
  readonly key: Uint8Array;
  answered(answer: Uint8Array): void;
  failed(failure: unknown): void;
}

/** Of a call that is told itself how it ends. */
class DirectGet implements Get {
  constructor(
    readonly call: EndingCall,
    readonly key: Uint8Array,
    private readonly tellFailure: (failure: unknown, call: EndingCall) => void,
  ) {}

  answered(answer: Uint8Array): void {
    this.call.answered(answer);
  }

  failed(failure: unknown): void {
    this.tellFailure(failure, this.call);
  }
}

/**
 * Serves Get. Those that come in one turn of the event loop, as from one frame of a pipeline, and want the same but for their
 * keys, share one read point and one look-up: to be waited for, each by itself, is most of what a get costs.
 */
export class Gets {
  private readonly node: NodeContext;
  private readonly tellFailure: (failure: unknown, call: EndingCall) => void;
  private newest: GetsTogether | null = null;

  /** @param tellFailure tells a call that was begun that it failed, whatever it failed with */
  constructor(node: NodeContext, tellFailure: (failure: unknown, call: EndingCall) => void) {
    this.node = node;
    this.tellFailure = tellFailure;
  }

  /** Throws, too, what a caller is told of a request that is refused. */
  serve(call: ByteCall): Promise<Uint8Array> {
    const { key, together } = this.placed(call);
    return new Promise((answered, failed) => {
      together.gets.push({ call, key, answered, failed });
    });
  }

  /** The same without a promise. Throws what a caller is told of a request that is refused. */
  begin(call: EndingCall): void {
    const { key, together } = this.placed(call);
    together.gets.push(new DirectGet(call, key, this.tellFailure));
  }

  private placed(call: ByteCall): { readonly key: Uint8Array; readonly together: GetsTogether } {
    const { node } = this;
    const fields = decodeGetRequest(call.body) ?? decodeRequest(GetRequest, call.body);
    const key = checkKey(fields.key, node.limits);
    const together = this.newest?.takes(fields) === true ? this.newest : this.together(fields);
    refuseUnlessLeader(node, together.request, call);
    return { key, together };
  }

  private together(fields: ReadFields): GetsTogether {
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
  /** How many of the first have been told how they end. */
  private answered = 0;
  /** All before this one are answered or cancelled. */
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
    if (point.kind !== "ready") return this.fail(readFailure(point, request));
    const header = plainHeader(node, point.term, point.revision);
    while (this.answered < this.gets.length) {
      if (this.aborted) return this.fail(readFailure({ kind: "cancelled" }, request));
      const gets = this.gets.slice(this.answered, this.answered + KEYS_PER_READ);
      const keys = gets.map(({ key }) => key);
      const records = await node.replica.state.records({ ...placeOf(point), keys, keysOnly: false });
      for (let at = 0; at < gets.length; at += 1) {
        (gets[at] as Get).answered(encodeGetResponse(header, records[at] ?? null));
        this.answered += 1;
      }
    }
  }

  /** Those that have no answer yet. */
  fail(failure: unknown): void {
    const gets = this.gets.slice(this.answered);
    this.answered = this.gets.length;
    for (const get of gets) get.failed(failure);
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
