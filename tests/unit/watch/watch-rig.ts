import {
  type Answer,
  type Change,
  type Command,
  encodeCommand,
  type KeyRange,
  prefixRange,
  putCommand,
  readCommand,
  StateMachine,
  type StateMeta,
  type StateWrites,
  type StoredRecord,
} from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import type { Cancellation, ReadOutcome, StateStore } from "@quorate/services/replica";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import {
  type Watch,
  type WatchBounds,
  type WatchEvent,
  type WatchFrame,
  WatchHub,
  type WatchSpec,
} from "@quorate/services/watch";

export const ANYONE = { namespace: "", requestId: null, wallTimeMs: 1000 };

/** Makes of the store what a test wants to see. */
export type StoreSeam = (state: StateStore) => Pick<StateStore, "records" | "scan" | "history">;

/** A hub over a real state machine and a store in memory; the test says when a batch is written and a read answered. */
export class WatchRig {
  readonly hub: WatchHub;
  /** Every change that was written, in order. */
  readonly changes: Change[] = [];
  readonly state: StateStore;
  /** null: reads are answered at once. Else they wait here. */
  heldReads: ((outcome: ReadOutcome) => void)[] | null = null;
  /** What reads are answered with instead of what is there. */
  readOutcome: ReadOutcome | null = null;
  private machine: StateMachine;
  private index = 0;
  private writes: StateWrites | null = null;
  private installedMeta: StateMeta | null = null;

  constructor(bounds: Partial<WatchBounds> = {}, seam: StoreSeam = (state) => state) {
    this.state = openMemoryStateStore(new MemoryStateDisk());
    this.machine = new StateMachine(this.state.opened.resident);
    const rig = this;
    this.hub = new WatchHub({
      replica: {
        state: seam(this.state),
        get meta() {
          return rig.meta;
        },
        namespace: (name) => this.namespace(name),
        readPoint: (_request, cancellation) => this.readPoint(cancellation),
      },
      noLeaderMs: 1000,
      bounds,
    });
  }

  get meta(): StateMeta {
    return this.writes?.meta ?? this.installedMeta ?? this.state.opened.resident.meta;
  }

  get revision(): number {
    return this.meta.revision;
  }

  /** Applies commands as one batch and tells the hub; a command that must begin a batch begins another. */
  async apply(...commands: readonly Command[]): Promise<Answer[]> {
    const answers: Answer[] = [];
    const decoded = commands.map((command) => readCommand(encodeCommand(command)));
    while (answers.length < decoded.length) {
      const rest = decoded.slice(answers.length);
      const reads = rest.map((command) => this.machine.reads(command));
      const next = reads.findIndex((read, at) => at > 0 && read.startsBatch);
      const count = next === -1 ? rest.length : next;
      const view = await this.state.read({
        keys: reads.slice(0, count).flatMap(({ keys }) => keys),
        ranges: reads[0]?.ranges ?? [],
      });
      const applied = this.machine.apply(rest.slice(0, count), view);
      answers.push(...applied.answers);
      this.index += 1;
      await this.state.write({ applied: { term: 1, index: this.index }, writes: applied.writes });
      this.changes.push(...applied.writes.changes);
      this.writes = applied.writes;
      this.hub.written(applied.writes);
    }
    return answers;
  }

  /** The state of another rig, which has applied the same and more, takes the place of this one's, as a snapshot does. */
  async install(other: WatchRig): Promise<void> {
    const image = other.state.freeze();
    const receiver = await this.state.receive(image.header);
    for await (const chunk of image.chunks(null)) await receiver.put(chunk);
    await receiver.complete();
    const { resident, applied } = await this.state.install(receiver);
    image.close();
    this.machine = new StateMachine(resident);
    this.index = applied.index;
    this.changes.splice(0, this.changes.length, ...other.changes);
    this.installedMeta = resident.meta;
    this.writes = null;
    this.hub.installed();
  }

  put(...keys: readonly string[]): Promise<Answer[]> {
    return this.apply(...keys.map((key) => put(key)));
  }

  open(changes: Partial<WatchSpec> = {}): Watch {
    return this.hub.open(spec(changes));
  }

  namespace(name: string) {
    return (
      this.machine.resident().namespaces.find((one) => one.name === (name === "" ? "default" : name)) ?? null
    );
  }

  private readPoint(cancellation?: Cancellation): Promise<ReadOutcome> {
    const ready: ReadOutcome = this.readOutcome ?? {
      kind: "ready",
      revision: this.revision,
      term: 1,
      appliedIndex: this.index,
      namespaceId: 1,
      generation: 1,
    };
    const held = this.heldReads;
    if (held === null) return Promise.resolve(ready);
    return new Promise((resolve) => {
      held.push((outcome) => resolve(outcome));
      cancellation?.addEventListener("abort", () => resolve({ kind: "cancelled" }));
    });
  }
}

let written = 0;

/** "key" or "key=value". */
export function put(text: string, namespace = ""): Command {
  const [key, value] = text.split("=");
  written += 1;
  return putCommand(
    { ...ANYONE, namespace },
    {
      key: utf8Encode(key as string),
      value: utf8Encode(value ?? `v${written}`),
      leaseId: 0n,
      returnPrevious: false,
      expectedModRevision: null,
    },
  );
}

export function spec(changes: Partial<WatchSpec> = {}): WatchSpec {
  return {
    namespace: "",
    range: { start: new Uint8Array(0), end: null },
    startRevision: 0,
    withCurrentState: false,
    withPrevious: false,
    puts: true,
    deletes: true,
    progressIntervalMs: 0,
    ...changes,
  };
}

export function oneKey(key: string): KeyRange {
  return { start: utf8Encode(key), end: utf8Encode(`${key}\0`) };
}

export function underPrefix(prefix: string): KeyRange {
  return prefixRange(utf8Encode(prefix));
}

/** Frames as a line each, such as "events 3: 2 put a, 3 delete b". */
export function told(frame: WatchFrame | null): string {
  if (frame === null) return "nothing";
  switch (frame.kind) {
    case "created":
    case "progress":
      return `${frame.kind} ${frame.revision}`;
    case "current":
      return `current ${frame.revision}: ${frame.records.map(keyOf).join(" ")}${frame.more ? " …" : ""}`;
    case "events":
      return `events ${frame.revision}: ${frame.events.map(lineOf).join(", ")}${frame.more ? " …" : ""}`;
    case "ended": {
      const oldest = frame.oldestRevision === 0 ? "" : `, oldest ${frame.oldestRevision}`;
      return `ended ${frame.reason}, resume ${frame.resumeRevision}${oldest}`;
    }
  }
}

/** The events of all frames, as a line each. */
export function eventsOf(frames: readonly WatchFrame[]): string[] {
  return frames.flatMap((frame) => (frame.kind === "events" ? frame.events.map(lineOf) : []));
}

export function lineOf(event: WatchEvent): string {
  if (event.kind === "truncated") return `${event.revision} truncated`;
  const key = event.kind === "put" ? event.record.key : event.key;
  const before = event.previous === null ? "" : ` was ${utf8Decode(event.previous.value)}`;
  return `${event.revision} ${event.kind} ${utf8Decode(key)}${before}`;
}

function keyOf(record: StoredRecord): string {
  return utf8Decode(record.key) ?? "?";
}

/** So many frames. */
export async function take(watch: Watch, count: number): Promise<string[]> {
  const frames: string[] = [];
  while (frames.length < count) {
    const frame = await watch.next();
    frames.push(told(frame));
    if (frame === null) break;
  }
  return frames;
}

/** All that can be taken without anything else happening. */
export async function takeAll(watch: Watch): Promise<WatchFrame[]> {
  const frames: WatchFrame[] = [];
  for (let idle = 0; idle < 8; ) {
    const frame = watch.take();
    if (frame === null) {
      idle += 1;
      await settled();
    } else {
      idle = 0;
      frames.push(frame);
    }
  }
  return frames;
}

/** Everything that waits only for promises has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
