import { type AttemptOptions, type Method, Quorate, QuorateError } from "@quorate/client";
import {
  type Event,
  EventCause,
  EventKind,
  type LeaseServiceKeepAliveRequest,
  type TxnRequest,
  type WatchCreate,
  type WatchRequest,
  type WatchResponse,
} from "@quorate/client/generated";
import { ModelStore } from "./model-store";
import { VirtualTiming } from "./virtual-timing";

/** A client of a {@link ModelCluster}. */
export interface ModelClient {
  readonly quorate: Quorate;
  /** From now on nothing of it reaches the cluster, and nothing comes back. */
  fail(): void;
}

/** One store with leases and watches, and clients that share its virtual time. */
export class ModelCluster {
  readonly timing = new VirtualTiming();
  readonly store = new ModelStore();
  /** Which client was told of a change of which key. */
  readonly told: { readonly client: number; readonly key: string }[] = [];
  readonly #leases = new Map<bigint, { readonly ttlMs: number; endsAtMs: number }>();
  readonly #waiting = new Set<() => void>();
  #granted = 0n;
  #clients = 0;

  constructor() {
    this.store.onRevision = () => {
      for (const wake of [...this.#waiting]) wake();
    };
  }

  get leaseCount(): number {
    return this.#leases.size;
  }

  /** Ends all leases behind the backs of their owners. */
  endLeases(): void {
    for (const id of [...this.#leases.keys()]) this.#end(id);
  }

  passMs(ms: number): Promise<void> {
    return this.timing.drive(new Promise((resolve) => this.timing.schedule(ms, resolve)));
  }

  client(): ModelClient {
    const client = this.#clients;
    this.#clients += 1;
    const link = { isCut: false };
    const call = async (path: string, request: unknown, timeoutMs: number) => {
      if (link.isCut) await this.#silence(timeoutMs);
      const answer = this.#answer(methodOf(path), request);
      if (link.isCut) await this.#silence(timeoutMs);
      if (answer instanceof QuorateError) throw answer;
      return answer;
    };
    const quorate = new Quorate(
      { endpoints: "127.0.0.1:1", followMembers: false },
      {
        timing: this.timing,
        connect: () => ({
          unary: <Request, Response>(
            { path }: Method<Request, Response>,
            request: Request,
            { timeoutMs }: AttemptOptions,
          ) => call(path, request, timeoutMs) as Promise<Response>,
          serverStream: async function* <Request, Response>(
            { path }: Method<Request, Response>,
            request: Request,
            { timeoutMs }: AttemptOptions,
          ) {
            yield* (await call(path, request, timeoutMs)) as Response[];
          },
          duplex: <Request, Response>(
            { path }: Method<Request, Response>,
            requests: AsyncIterable<Request>,
            { signal }: AttemptOptions,
          ) => {
            const sink = new Sink<Response>(signal, link);
            if (methodOf(path) === "KeepAlive") void this.#renew(requests, sink as Sink<unknown>);
            else void this.#watch(client, requests, sink as Sink<unknown>);
            return sink.messages();
          },
          close: () => undefined,
        }),
      },
    );
    return {
      quorate,
      fail() {
        link.isCut = true;
      },
    };
  }

  #silence(timeoutMs: number): Promise<never> {
    return new Promise((_, reject) => {
      const late = () =>
        reject(
          new QuorateError("late", {
            code: "DEADLINE_EXCEEDED",
            reason: "DEADLINE_EXCEEDED",
            retryable: true,
          }),
        );
      this.timing.schedule(timeoutMs, late);
    });
  }

  #answer(method: string, request: unknown): object | QuorateError {
    if (method === "Grant") return this.#grant(Number((request as { ttlMs: bigint }).ttlMs));
    if (method === "Revoke") {
      const { leaseId } = request as { leaseId: bigint };
      return this.#end(leaseId) ? { header: this.#header(), deleted: 1n } : unknownLease();
    }
    if (method === "Txn") {
      const puts = (request as TxnRequest).success.flatMap(({ operation }) =>
        operation?.$case === "put" ? operation.value.leaseId : [],
      );
      if (puts.some((leaseId) => leaseId !== 0n && !this.#leases.has(leaseId))) return unknownLease();
    }
    return this.store.answer({ method, request }) ?? new QuorateError(method, { code: "UNIMPLEMENTED" });
  }

  #grant(ttlMs: number): object {
    this.#granted += 1n;
    const leaseId = this.#granted;
    this.#leases.set(leaseId, { ttlMs, endsAtMs: this.timing.nowMs() + ttlMs });
    this.#watchClock(leaseId, ttlMs);
    return { header: this.#header(), leaseId, ttlMs: BigInt(ttlMs) };
  }

  #watchClock(leaseId: bigint, delayMs: number): void {
    this.timing.schedule(delayMs, () => {
      const remainingMs = (this.#leases.get(leaseId)?.endsAtMs ?? 0) - this.timing.nowMs();
      if (remainingMs > 0) this.#watchClock(leaseId, remainingMs);
      else this.#end(leaseId);
    });
  }

  #end(leaseId: bigint): boolean {
    if (!this.#leases.delete(leaseId)) return false;
    this.store.endLease(leaseId);
    return true;
  }

  async #renew(requests: AsyncIterable<unknown>, sink: Sink<unknown>): Promise<void> {
    for await (const request of requests) {
      if (sink.isCut) return;
      const { leaseId } = request as LeaseServiceKeepAliveRequest;
      const lease = this.#leases.get(leaseId);
      if (lease !== undefined) lease.endsAtMs = this.timing.nowMs() + lease.ttlMs;
      sink.push({ header: this.#header(), leaseId, ttlMs: BigInt(lease?.ttlMs ?? 0) });
    }
  }

  async #watch(client: number, requests: AsyncIterable<unknown>, sink: Sink<unknown>): Promise<void> {
    const ends = new Map<bigint, () => void>();
    for await (const message of requests) {
      const { request } = message as WatchRequest;
      if (request?.$case === "create")
        ends.set(request.value.watchId, this.#serve(client, request.value, sink));
      if (request?.$case === "cancel") ends.get(request.value.watchId)?.();
      if (request?.$case === "progress") {
        sink.push(
          this.#response(request.value.watchId, this.store.revision, { $case: "progressed", value: {} }),
        );
      }
    }
    for (const end of ends.values()) end();
  }

  /** Tells one watch what it asked for; returns how to end it. */
  #serve(client: number, create: WatchCreate, sink: Sink<unknown>): () => void {
    const { watchId } = create;
    let reached = create.startRevision === 0n ? this.store.revision : Number(create.startRevision) - 1;
    sink.push(this.#response(watchId, this.store.revision, { $case: "created", value: {} }));
    if (create.withCurrentState) {
      const records = this.store.recordsIn(create);
      sink.push(this.#response(watchId, reached, { $case: "current", value: { records, more: false } }));
    }
    const tell = () => {
      for (; reached < this.store.revision; reached += 1) {
        const events = this.#eventsOf(reached + 1, create);
        if (events.length === 0) continue;
        for (const { record } of events) this.told.push({ client, key: String(record?.key) });
        sink.push(this.#response(watchId, reached + 1, { $case: "events", value: { events, more: false } }));
      }
    };
    tell();
    this.#waiting.add(tell);
    sink.signal?.addEventListener("abort", () => this.#waiting.delete(tell));
    return () => this.#waiting.delete(tell);
  }

  #eventsOf(revision: number, { key, prefix, noPut, noDelete }: WatchCreate): Event[] {
    return this.store.changesOf(revision).flatMap(([name, record]): Event[] => {
      const isWatched = key.length > 0 ? name === text(key) : name.startsWith(text(prefix));
      if (!isWatched || (record === undefined ? noDelete : noPut)) return [];
      const gone = { key: Buffer.from(name), value: Buffer.of(), leaseId: 0n };
      return [
        {
          kind: record === undefined ? EventKind.DELETE : EventKind.PUT,
          cause: EventCause.TXN,
          revision: BigInt(revision),
          record: record ?? { ...gone, createRevision: 0n, modRevision: BigInt(revision), version: 0n },
          previous: undefined,
          requestId: "",
          wallTimeMs: 0n,
        },
      ];
    });
  }

  #response(watchId: bigint, revision: number, response: WatchResponse["response"]): WatchResponse {
    return { header: this.#header(revision), watchId, response };
  }

  #header(revision = this.store.revision) {
    return { clusterId: "c", memberId: "n1", term: 1n, revision: BigInt(revision) };
  }
}

/** The answers of one stream. */
class Sink<Message> {
  readonly signal: AbortSignal | undefined;
  readonly #link: { readonly isCut: boolean };
  readonly #messages: Message[] = [];
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal | undefined, link: { readonly isCut: boolean }) {
    this.signal = signal;
    this.#link = link;
    signal?.addEventListener("abort", () => this.#wake());
  }

  get isCut(): boolean {
    return this.#link.isCut;
  }

  push(message: Message): void {
    if (this.isCut) return;
    this.#messages.push(message);
    this.#wake();
  }

  async *messages(): AsyncGenerator<Message, void, undefined> {
    while (this.signal?.aborted !== true) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    throw new QuorateError("cancelled", { code: "CANCELLED" });
  }
}

function methodOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString();
}

function unknownLease(): QuorateError {
  return new QuorateError("there is no such lease", {
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    outcome: "not_applied",
  });
}
