import { type AttemptOptions, type ClientOptions, type Method, Quorate, QuorateError } from "@quorate/client";
import {
  ErrorReason,
  type Event,
  EventCause,
  EventKind,
  Outcome,
  type Record as RecordMessage,
  type ScanRequest,
  type ScanResponse,
  type WatchCreate,
  type WatchRequest,
  type WatchResponse,
} from "@quorate/client/generated";
import { VirtualTiming } from "./virtual-timing";

/** What an endpoint does instead of sending a frame; "send" sends it. */
export type FrameFate =
  | "send"
  /** The connection breaks. */
  | "break"
  /** The stream ends in good order. */
  | "finish"
  /** Nothing comes from this stream any more, and no question is answered. */
  | "silence"
  /** The watch ends with this reason. */
  | { readonly ended: ErrorReason };

/** A frame that an endpoint is about to send. */
export interface FrameView {
  readonly address: string;
  readonly kind: NonNullable<WatchResponse["response"]>["$case"];
  readonly more: boolean;
  /** Whether the frame before it told that more of the same would follow. */
  readonly continues: boolean;
  /** How many frames of any kind were sent or lost before it, by all endpoints. */
  readonly at: number;
}

/** A change to write: null deletes. */
export type Change = readonly [key: string, value: string | null];

interface ServedWatch {
  readonly frames: Iterator<WatchResponse | null>;
  /** Whether it is to tell how far it has come. */
  isAsked: boolean;
}

const HEADER = { clusterId: "c", memberId: "n1", term: 1n };

/** A cluster of endpoints that serve WatchService and Scan from one list of revisions, and fail as a test says. */
export class FakeWatchCluster {
  readonly timing = new VirtualTiming();
  readonly client: Quorate;
  /** The creations that endpoints received, with their address. */
  readonly creations: { readonly address: string; readonly create: WatchCreate }[] = [];
  readonly cancellations: bigint[] = [];
  readonly questions: string[] = [];
  readonly scans: ScanRequest[] = [];
  /** How many streams are open now. */
  openStreams = 0;
  fate: (frame: FrameView) => FrameFate = () => "send";
  /** Changes or records a frame. */
  frameEvents = 3;
  /** The time between two frames of a stream. */
  frameMs = 1;
  /** The first revision whose changes are still kept. */
  firstEvent = 1;
  /** The oldest revision that a scan can read at. */
  oldestReadable = 0;
  readonly #revisions: Event[][] = [];
  readonly #waiting = new Set<() => void>();
  #framesSent = 0;
  #lastMore = false;

  constructor(addresses: string, options: Partial<ClientOptions> = {}) {
    this.client = new Quorate(
      { endpoints: addresses, followMembers: false, ...options },
      {
        timing: this.timing,
        connect: (address) => ({
          unary: () => Promise.reject(new Error("the fake has no unary calls")),
          serverStream: <Request, Response>(_: Method<Request, Response>, request: Request) =>
            this.#scan(request as ScanRequest) as AsyncIterable<Response>,
          duplex: <Request, Response>(
            _: Method<Request, Response>,
            requests: AsyncIterable<Request>,
            { signal }: AttemptOptions,
          ) =>
            this.#serve(
              address,
              requests as AsyncIterable<WatchRequest>,
              signal as AbortSignal,
            ) as AsyncIterable<Response>,
          close: () => undefined,
        }),
      },
    );
  }

  get revision(): number {
    return this.#revisions.length;
  }

  /** All changes of one write. */
  write(...changes: readonly Change[]): number {
    const revision = this.revision + 1;
    const before = this.stateAt(this.revision);
    this.#revisions.push(changes.map((change) => eventOf(revision, change, before.get(change[0]))));
    this.#notify();
    return revision;
  }

  /** Deletes all keys at once; the history before it is gone. */
  truncate(): number {
    const revision = this.revision + 1;
    this.#revisions.push([eventOf(revision, null, undefined)]);
    this.firstEvent = revision;
    this.oldestReadable = revision;
    this.#notify();
    return revision;
  }

  compact(revision: number): void {
    this.firstEvent = revision + 1;
    this.oldestReadable = revision;
  }

  /** The records of a revision by key, in bytewise order. */
  stateAt(revision: number): Map<string, RecordMessage> {
    const state = new Map<string, RecordMessage>();
    for (const event of this.#revisions.slice(0, revision).flat()) {
      const key = event.record === undefined ? "" : Buffer.from(event.record.key).toString();
      if (event.kind === EventKind.TRUNCATED) state.clear();
      else if (event.kind === EventKind.DELETE) state.delete(key);
      else state.set(key, event.record as RecordMessage);
    }
    return new Map([...state].sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  /** All changes from a revision on, as `told` describes them. */
  changesFrom(revision: number): string[] {
    return this.#revisions.slice(revision - 1).flatMap((events) => events.map(described));
  }

  /** Lets virtual time pass. */
  passMs(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.timing.schedule(delayMs, resolve));
  }

  #notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  async *#serve(
    address: string,
    requests: AsyncIterable<WatchRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    const watches = new Map<bigint, ServedWatch>();
    const asked = this.#takeRequests(address, requests, watches);
    signal.addEventListener("abort", () => this.#notify());
    this.openStreams += 1;
    try {
      while (!signal.aborted) {
        if (this.frameMs > 0) await this.passMs(this.frameMs);
        if (signal.aborted) break;
        const frame = this.#nextFrame(watches);
        if (frame === null) {
          await this.#change();
          continue;
        }
        const fate = this.fate(this.#view(address, frame));
        this.#framesSent += 1;
        if (fate === "send") yield frame;
        else if (fate === "break") throw broken();
        else if (fate === "finish") return;
        else if (fate === "silence") await until(signal);
        else {
          watches.delete(frame.watchId);
          yield ended(frame.watchId, fate.ended, 0, this.revision);
        }
      }
      throw new QuorateError("cancelled", { code: "CANCELLED" });
    } finally {
      this.openStreams -= 1;
      void asked;
    }
  }

  async #takeRequests(
    address: string,
    requests: AsyncIterable<WatchRequest>,
    watches: Map<bigint, ServedWatch>,
  ): Promise<void> {
    for await (const { request } of requests) {
      switch (request?.$case) {
        case "create":
          this.creations.push({ address, create: request.value });
          watches.set(request.value.watchId, { frames: this.#frames(request.value), isAsked: false });
          break;
        case "cancel":
          this.cancellations.push(request.value.watchId);
          watches.delete(request.value.watchId);
          break;
        case "progress": {
          this.questions.push(address);
          const watch = watches.get(request.value.watchId);
          if (watch !== undefined) watch.isAsked = true;
          break;
        }
        case undefined:
          throw new Error("an empty request");
      }
      this.#notify();
    }
  }

  #nextFrame(watches: ReadonlyMap<bigint, ServedWatch>): WatchResponse | null {
    for (const [watchId, watch] of watches) {
      const next = watch.frames.next();
      if (next.done === true) continue;
      if (next.value !== null) return next.value;
      if (!watch.isAsked) continue;
      watch.isAsked = false;
      // It has told everything.
      return response(watchId, this.revision, { $case: "progressed", value: {} });
    }
    return null;
  }

  /** What a watch is sent, in order; null while there is nothing. */
  *#frames(create: WatchCreate): Generator<WatchResponse | null, void, undefined> {
    const { watchId, withCurrentState } = create;
    const start = Number(create.startRevision);
    if (start !== 0 && start < this.firstEvent) {
      yield ended(watchId, ErrorReason.COMPACTED, this.firstEvent, 0);
      return;
    }
    if (start > this.revision + 1) {
      yield ended(watchId, ErrorReason.FUTURE_REVISION, 0, 0);
      return;
    }
    const begun = this.revision;
    yield response(watchId, begun, { $case: "created", value: {} });
    if (withCurrentState) {
      const records = [...this.stateAt(begun).values()].filter(({ key }) => isWanted(create, key));
      for (const { part, more } of inParts(records, this.frameEvents)) {
        yield response(watchId, begun, { $case: "current", value: { records: part, more } });
      }
    }
    for (let revision = start === 0 ? begun + 1 : start; ; revision += 1) {
      while (revision > this.revision) yield null;
      const events = (this.#revisions[revision - 1] as Event[]).filter(
        ({ record }) => record === undefined || isWanted(create, record.key),
      );
      if (events.length === 0) continue;
      for (const { part, more } of inParts(events, this.frameEvents)) {
        const value = { events: part, more };
        yield response(watchId, more ? revision - 1 : revision, { $case: "events", value });
      }
    }
  }

  async *#scan(request: ScanRequest): AsyncGenerator<ScanResponse, void, undefined> {
    this.scans.push(request);
    await this.passMs(1);
    const revision = Number(request.revision);
    if (revision < this.oldestReadable) {
      throw new QuorateError("compacted", {
        code: "OUT_OF_RANGE",
        reason: "COMPACTED",
        oldestRevision: this.oldestReadable,
      });
    }
    const { start, end } = request;
    const records = [...this.stateAt(revision).values()].filter(
      ({ key }) => Buffer.compare(key, start) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0),
    );
    const page = records.slice(0, Number(request.limit));
    yield {
      header: { ...HEADER, revision: BigInt(revision) },
      records: page,
      more: page.length < records.length,
      nextCursor: new Uint8Array(0),
    };
  }

  #view(address: string, { response: told }: WatchResponse): FrameView {
    const kind = told?.$case ?? "progressed";
    const more =
      told !== undefined && (told.$case === "events" || told.$case === "current") && told.value.more;
    const continues = this.#lastMore;
    this.#lastMore = more;
    return { address, kind, more, continues, at: this.#framesSent };
  }
}

/** How tests compare changes. */
export function described(event: Event): string {
  const key = event.record === undefined ? "" : Buffer.from(event.record.key).toString();
  if (event.kind === EventKind.TRUNCATED) return `${event.revision} truncated`;
  if (event.kind === EventKind.DELETE) return `${event.revision} delete ${key}`;
  return `${event.revision} put ${key}=${Buffer.from((event.record as RecordMessage).value).toString()}`;
}

function* inParts<T>(items: readonly T[], size: number): Generator<{ part: T[]; more: boolean }> {
  for (let at = 0; at === 0 || at < items.length; at += size) {
    yield { part: items.slice(at, at + size), more: at + size < items.length };
  }
}

function isWanted({ key, start, end, prefix }: WatchCreate, candidate: Uint8Array): boolean {
  if (key.length > 0) return Buffer.compare(key, candidate) === 0;
  if (prefix.length > 0) return Buffer.compare(prefix, candidate.subarray(0, prefix.length)) === 0;
  return Buffer.compare(candidate, start) >= 0 && (end.length === 0 || Buffer.compare(candidate, end) < 0);
}

function eventOf(revision: number, change: Change | null, before: RecordMessage | undefined): Event {
  const [key, value] = change ?? ["", null];
  const origin = { cause: EventCause.TXN, requestId: "42/1", wallTimeMs: 1_000n, previous: undefined };
  if (change === null) {
    return { kind: EventKind.TRUNCATED, revision: BigInt(revision), record: undefined, ...origin };
  }
  const record = {
    key: Buffer.from(key),
    value: Buffer.from(value ?? ""),
    createRevision: before?.createRevision ?? BigInt(revision),
    modRevision: BigInt(revision),
    version: (before?.version ?? 0n) + 1n,
    leaseId: 0n,
  };
  const kind = value === null ? EventKind.DELETE : EventKind.PUT;
  return { kind, revision: BigInt(revision), record, ...origin };
}

function response(
  watchId: bigint,
  revision: number,
  told: NonNullable<WatchResponse["response"]>,
): WatchResponse {
  return { header: { ...HEADER, revision: BigInt(revision) }, watchId, response: told };
}

function ended(watchId: bigint, reason: ErrorReason, oldest: number, resume: number): WatchResponse {
  const error = {
    reason,
    retryable: false,
    outcome: Outcome.UNSPECIFIED,
    leader: undefined,
    oldestRevision: BigInt(oldest),
  };
  const message = `ended: ${ErrorReason[reason]}`;
  return response(watchId, 0, {
    $case: "ended",
    value: { error, message, resumeRevision: BigInt(resume) },
  });
}

function broken(): QuorateError {
  return new QuorateError("connection dropped", { code: "UNAVAILABLE", retryable: true });
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}
