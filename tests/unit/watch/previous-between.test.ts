import { expect, test } from "@jest/globals";
import {
  type Command,
  type CommandSource,
  checkedCommand,
  deleteCommand,
  putCommand,
  StateMachine,
} from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { type WatchFrame, WatchHub, type WatchSpec } from "@quorate/services/watch";

const SOURCE: CommandSource = { namespace: "", requestId: null, wallTimeMs: 0 };
const KEY = utf8Encode("k");

function put(value: string): Command {
  const unconditional = { leaseId: 0n, returnPrevious: false, expectedModRevision: null };
  return putCommand(SOURCE, { key: KEY, value: utf8Encode(value), ...unconditional });
}

const deletion = deleteCommand(SOURCE, { key: KEY, returnPrevious: false, expectedModRevision: null });

/** A replica that applies batches by itself. */
class Alone {
  readonly state = openMemoryStateStore(new MemoryStateDisk());
  private readonly machine = new StateMachine(this.state.opened.resident);
  private index = 0;
  readonly hub = new WatchHub({ replica: this, noLeaderMs: 1_000 });

  get meta() {
    return this.machine.meta;
  }

  namespace(name: string) {
    return this.machine.namespace(name);
  }

  async readPoint() {
    const { revision } = this.meta;
    return {
      kind: "ready",
      revision,
      term: 1,
      appliedIndex: this.index,
      namespaceId: 1,
      generation: 1,
    } as const;
  }

  async apply(...said: readonly Command[]): Promise<void> {
    const commands = said.map(checkedCommand);
    const reads = commands.map((command) => this.machine.reads(command));
    const view = await this.state.read({ keys: reads.flatMap(({ keys }) => keys), ranges: [] });
    const { writes } = this.machine.apply(commands, view);
    this.index += 1;
    await this.state.write({ applied: { term: 1, index: this.index }, writes });
    this.hub.written(writes);
  }
}

function watching(wanted: Pick<WatchSpec, "puts" | "deletes">): WatchSpec {
  const range = { start: KEY, end: null };
  const rest = { withCurrentState: false, withPrevious: true, progressIntervalMs: 0 };
  return { namespace: "", range, startRevision: 0, ...rest, ...wanted };
}

function previousOf(frame: WatchFrame | null): (string | null)[] {
  if (frame?.kind !== "events") throw new Error(`${frame?.kind} instead of events`);
  return frame.events.map((event) =>
    event.kind === "truncated" || event.previous === null ? null : (utf8Decode(event.previous.value) ?? null),
  );
}

test.each([
  ["puts", { puts: true, deletes: false }, [[put("b"), deletion, put("c")]], ["a", null]],
  ["deletes", { puts: false, deletes: true }, [[deletion, put("b"), deletion]], ["a", "b"]],
  ["both", { puts: true, deletes: true }, [[put("b"), deletion, put("c")]], ["a", "b", null]],
] as const)(
  "I1: a watch of %s is told the record before, also where a change that it does not want came between",
  async (_, wanted, batches, expected) => {
    const alone = new Alone();
    await alone.apply(put("a"));
    const watch = alone.hub.open(watching(wanted));
    expect((await watch.next())?.kind).toBe("created");
    for (const batch of batches) await alone.apply(...batch);
    expect(previousOf(await watch.next())).toEqual(expected);
  },
);
