import { expect, test } from "@jest/globals";
import {
  byteKey,
  type Change,
  type Command,
  compactCommand,
  createNamespaceCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  firstEvent,
  rangeContains,
  type StoredRecord,
  truncateCommand,
} from "@quorate/services/kv";
import { type Random, seededRandom, utf8Encode } from "@quorate/services/std";
import type { Watch, WatchEvent, WatchFrame, WatchSpec } from "@quorate/services/watch";
import { isLongRun } from "../../support/long-run";
import { ANYONE, lineOf, oneKey, put, settled, spec, takeAll, underPrefix, WatchRig } from "./watch-rig";

const RUNS = isLongRun ? 100 : 25;
const STEPS = 120;
const KEYS = ["a", "aa", "ab", "abc", "abd", "abe", "ac", "ad", "ae", "b", "ba", "c"];
const NAMESPACES = ["", "other"];

/** What happened, as plainly as it can be written down: every change with the record that was there before. */
class History {
  readonly told: { readonly line: WatchEvent; readonly namespaceId: number }[] = [];
  private readonly records = new Map<string, StoredRecord>();
  private known = 0;

  constructor(private readonly rig: WatchRig) {}

  /** What a watch of a namespace must tell, in order. */
  of(
    namespaceId: number,
    { range, puts, deletes, withPrevious }: WatchSpec,
    from: number,
    to: number,
  ): string[] {
    this.update();
    return this.told
      .filter(
        ({ line, namespaceId: id }) => id === namespaceId && line.revision >= from && line.revision <= to,
      )
      .filter(({ line }) => {
        if (line.kind === "truncated") return true;
        if (line.kind === "put") return puts && rangeContains(range, line.record.key);
        return deletes && rangeContains(range, line.key);
      })
      .map(({ line }) =>
        lineOf(line.kind === "truncated" || withPrevious ? line : { ...line, previous: null }),
      );
  }

  private update(): void {
    for (const change of this.rig.changes.slice(this.known)) this.take(change);
    this.known = this.rig.changes.length;
  }

  private take(change: Change): void {
    const { revision, origin, namespaceId } = change;
    if (change.kind === "truncate") {
      for (const name of [...this.records.keys()]) {
        if (name.startsWith(`${namespaceId}/`)) this.records.delete(name);
      }
      this.told.push({ line: { kind: "truncated", revision, origin }, namespaceId });
      return;
    }
    const key = change.kind === "put" ? change.record.key : change.key;
    const name = `${namespaceId}/${byteKey(key)}`;
    const previous = this.records.get(name) ?? null;
    if (change.kind === "put") {
      this.records.set(name, change.record);
      this.told.push({
        line: { kind: "put", revision, record: change.record, previous, origin },
        namespaceId,
      });
    } else {
      this.records.delete(name);
      this.told.push({ line: { kind: "delete", revision, key, previous, origin }, namespaceId });
    }
  }
}

/** A watch as its consumer sees it, held against what happened at each frame. */
class Consumer {
  isOver = false;
  private readonly watch: Watch;
  private readonly lines: string[] = [];
  private readonly current: string[] = [];
  private from = 0;
  private upTo = 0;
  private amid = 0;
  private phase: "opening" | "current" | "events" = "opening";
  readonly namespaceId: number;

  constructor(
    private readonly rig: WatchRig,
    private readonly history: History,
    readonly wanted: WatchSpec,
  ) {
    this.namespaceId = rig.namespace(wanted.namespace)?.id ?? 0;
    this.watch = rig.hub.open(wanted);
  }

  take(): boolean {
    const frame = this.watch.take();
    if (frame !== null) this.check(frame);
    return frame !== null;
  }

  async drain(): Promise<void> {
    for (const frame of await takeAll(this.watch)) this.check(frame);
  }

  cancel(): void {
    this.watch.cancel();
  }

  ask(): void {
    this.watch.askProgress();
  }

  /** When nothing waits any more all is told. */
  checkComplete(): void {
    if (this.isOver) return;
    expect(this.rig.namespace(this.wanted.namespace)?.id).toBe(this.namespaceId);
    expect(this.phase).toBe("events");
    this.checkTold(this.rig.revision);
  }

  private check(frame: WatchFrame): void {
    expect(this.isOver).toBe(false);
    switch (frame.kind) {
      case "created":
        expect(this.phase).toBe("opening");
        this.phase = this.wanted.withCurrentState ? "current" : "events";
        if (this.wanted.startRevision > 0) expect(frame.revision).toBe(this.wanted.startRevision - 1);
        this.begin(frame.revision);
        return;
      case "current":
        expect(this.phase).toBe("current");
        this.current.push(...frame.records.map((record) => `${byteKey(record.key)}@${record.modRevision}`));
        this.begin(frame.revision);
        if (!frame.more) this.checkCurrent(frame.revision);
        return;
      case "events": {
        expect(this.phase).toBe("events");
        this.lines.push(...frame.events.map(lineOf));
        const last = frame.events.at(-1)?.revision as number;
        expect(frame.revision).toBe(frame.more ? last - 1 : last);
        this.amid = frame.more ? last : 0;
        this.upTo = frame.revision;
        this.checkTold(frame.more ? last : frame.revision);
        return;
      }
      case "progress":
        expect(this.phase).toBe("events");
        expect(this.amid).toBe(0);
        expect(frame.revision).toBeGreaterThanOrEqual(this.upTo);
        this.upTo = frame.revision;
        this.checkTold(frame.revision);
        return;
      case "ended":
        this.isOver = true;
        this.checkEnd(frame);
        return;
    }
  }

  private begin(revision: number): void {
    this.from = revision + 1;
    this.upTo = revision;
  }

  private checkTold(to: number): void {
    const expected = this.history.of(this.namespaceId, this.wanted, this.from, to);
    if (this.amid === 0) expect(this.lines).toEqual(expected);
    else expect(expected.slice(0, this.lines.length)).toEqual(this.lines);
  }

  private checkCurrent(revision: number): void {
    this.phase = "events";
    const everything = { ...this.wanted, puts: true, deletes: true, withPrevious: false };
    this.history.of(this.namespaceId, everything, 0, revision);
    const newest = new Map<string, string>();
    for (const { line, namespaceId } of this.history.told) {
      if (namespaceId !== this.namespaceId || line.revision > revision) continue;
      if (line.kind === "truncated") newest.clear();
      else if (line.kind === "delete") newest.delete(byteKey(line.key));
      else if (rangeContains(this.wanted.range, line.record.key)) {
        newest.set(byteKey(line.record.key), `${byteKey(line.record.key)}@${line.revision}`);
      }
    }
    expect(this.current).toEqual([...newest].sort().map(([, record]) => record));
  }

  private checkEnd(frame: Extract<WatchFrame, { kind: "ended" }>): void {
    const namespace = this.rig.namespace(this.wanted.namespace);
    const isGone = namespace?.id !== this.namespaceId;
    switch (frame.reason) {
      case "unknown_namespace":
        expect(isGone || this.namespaceId === 0).toBe(true);
        return;
      case "compacted":
        // Only what cannot be told any more is given up. The namespace may have gone since.
        if (!isGone) expect(frame.oldestRevision).toBeLessThanOrEqual(firstEvent(namespace, this.rig.meta));
        expect(this.phase === "opening" ? this.wanted.startRevision : this.upTo + 1).toBeLessThan(
          frame.oldestRevision,
        );
        return;
      case "future_revision":
        expect(this.wanted.startRevision).toBeGreaterThan(0);
        return;
      case "cancelled":
      case "slow":
        if (this.phase === "events") {
          expect(frame.resumeRevision).toBeGreaterThan(this.upTo);
          if (this.amid > 0) expect(frame.resumeRevision).toBe(this.amid);
          else this.checkTold(frame.resumeRevision - 1);
        }
        return;
      default:
        throw new Error(`ended ${frame.reason}`);
    }
  }
}

function drawSpec(random: Random, rig: WatchRig): WatchSpec {
  const ranges = [spec().range, oneKey("a"), oneKey("ab"), underPrefix("a"), underPrefix("b")];
  const withCurrentState = random.below(4) === 0;
  return spec({
    namespace: NAMESPACES[random.below(2)] as string,
    range: ranges[random.below(ranges.length)] as WatchSpec["range"],
    withCurrentState,
    startRevision: withCurrentState || random.below(2) === 0 ? 0 : random.below(rig.revision + 3),
    withPrevious: random.below(3) === 0,
    puts: random.below(5) > 0,
    deletes: random.below(5) > 0,
  });
}

/** @param forgets whether history may be given up: else there is much of it to be told */
function drawCommand(random: Random, rig: WatchRig, forgets: boolean): Command {
  const namespace = NAMESPACES[random.below(2)] as string;
  const source = { ...ANYONE, namespace };
  const key = KEYS[random.below(KEYS.length)] as string;
  const draw = random.below(forgets ? 100 : 88);
  if (draw < 62) return put(key, namespace);
  if (draw < 80) {
    return deleteCommand(source, { key: utf8Encode(key), returnPrevious: false, expectedModRevision: null });
  }
  if (draw < 88) return deleteRangeCommand(source, underPrefix(key), 100);
  if (draw < 91) return truncateCommand(source);
  if (draw < 95) return compactCommand(source, Math.max(1, rig.revision - random.below(12)));
  return draw < 98 ? createNamespaceCommand(ANYONE, "other") : deleteNamespaceCommand(ANYONE, "other");
}

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const rig = new WatchRig({
    eventsMax: 4 + random.below(20),
    frameEventsMax: 1 + random.below(6),
    readsMax: 1 + random.below(3),
    previousBytesMax: random.below(2) * 1000,
  });
  const history = new History(rig);
  const forgets = random.below(2) === 0;
  let consumers: Consumer[] = [];
  await rig.apply(createNamespaceCommand(ANYONE, "other"));
  for (let step = 0; step < STEPS; step += 1) {
    const draw = random.below(10);
    const some = consumers[random.below(Math.max(1, consumers.length))];
    if (draw < 4) {
      await rig.apply(
        ...Array.from({ length: 1 + random.below(5) }, () => drawCommand(random, rig, forgets)),
      );
    } else if (draw === 4) {
      consumers.push(new Consumer(rig, history, drawSpec(random, rig)));
    } else if (draw < 8) {
      some?.take();
    } else if (draw === 8) {
      if (random.below(2) === 0) await settled();
      else await some?.drain();
    } else if (random.below(3) === 0) {
      some?.cancel();
    } else {
      some?.ask();
    }
    consumers = consumers.filter(({ isOver }) => !isOver);
  }
  for (const consumer of consumers) {
    await consumer.drain();
    consumer.checkComplete();
    consumer.cancel();
    await consumer.drain();
  }
  expect({ size: rig.hub.size, bytes: rig.hub.waitingBytes }).toEqual({ size: 0, bytes: 0 });
}

test("I2, I4, I5, I6: whatever happens in whatever order, watches tell what a plain list of changes says", async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
