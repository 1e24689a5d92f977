import { describe, expect, test } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { fetchState, type StateFetchOptions } from "@quorate/services/node";
import type { ImageChunk, IncomingImage, SnapshotSource, StateStore } from "@quorate/services/replica";
import { batch, put } from "../../compliance/state-samples";

/** What a peer does with one call: gives up after so many chunks, spoils one, refuses, or gives all. */
type Behaviour =
  | { readonly kind: "gives"; readonly chunks?: number; readonly spoiled?: boolean }
  | { readonly kind: "refuses"; readonly said?: string };

/** A state with some keys, as a peer has it. */
async function peerState(index: number): Promise<StateStore> {
  const state = openMemoryStateStore(new MemoryStateDisk());
  for (let at = 1; at <= index; at += 1) {
    const key = `key ${String(at).padStart(4, "0")}`;
    await state.write(batch(at, [put(key, "v", at)]));
  }
  return state;
}

class ScriptedSource implements SnapshotSource {
  readonly asked: string[] = [];
  private nextId = 1;
  private readonly images = new Map<number, AsyncIterable<ImageChunk> | ReturnType<StateStore["freeze"]>>();

  constructor(
    private readonly state: StateStore,
    private readonly script: Behaviour[],
    private readonly last: Behaviour = { kind: "gives" },
  ) {}

  async fetch(
    from: string,
    resume: { readonly imageId: number; readonly position: Uint8Array } | null,
  ): Promise<IncomingImage> {
    const behaviour = this.script.shift() ?? this.last;
    this.asked.push(`${from}${resume === null ? "" : " on"}`);
    if (behaviour.kind === "refuses") throw new Error(behaviour.said ?? "refused: it is too busy");
    const imageId = resume?.imageId ?? this.nextId++;
    const frozen = (this.images.get(imageId) as ReturnType<StateStore["freeze"]>) ?? this.state.freeze();
    this.images.set(imageId, frozen);
    return {
      imageId,
      header: frozen.header,
      chunks: pieces(frozen.chunks(resume?.position ?? null), behaviour),
    };
  }
}

async function* pieces(
  chunks: AsyncIterable<ImageChunk>,
  { chunks: most = Number.POSITIVE_INFINITY, spoiled = false }: Extract<Behaviour, { kind: "gives" }>,
): AsyncIterable<ImageChunk> {
  let given = 0;
  for await (const chunk of chunks) {
    if (given === most) throw new Error("the stream broke");
    given += 1;
    yield spoiled ? { ...chunk, checksum: chunk.checksum ^ 1 } : chunk;
  }
}

async function fetched(source: SnapshotSource, changes: Partial<StateFetchOptions> = {}) {
  const own = openMemoryStateStore(new MemoryStateDisk());
  const outcome = await fetchState({
    source,
    peers: async () => ["n1", "n2"],
    receive: (header) => own.receive(header),
    fault: () => null,
    removalIn: (error) => ((error as Error).message === "removed" ? "it was removed" : null),
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    log: SILENT_LOG,
    ...changes,
  });
  return { own, outcome };
}

/** Enough for several chunks. */
const KEYS = 100;

describe("a state that a start brings from peers", () => {
  test("comes whole, and can be installed", async () => {
    const { own, outcome } = await fetched(new ScriptedSource(await peerState(KEYS), []));
    expect(outcome).toMatchObject({ kind: "fetched", from: "n1", opened: { applied: { index: KEYS } } });
    if (outcome.kind !== "fetched") return;
    await own.install(outcome.receiver);
    expect(own.opened.resident.meta.revision).toBe(KEYS);
  });

  test("F3: is gone on with where a stream broke", async () => {
    const source = new ScriptedSource(await peerState(KEYS), [
      { kind: "gives", chunks: 1 },
      { kind: "gives", chunks: 1 },
    ]);
    const { outcome } = await fetched(source);
    expect(outcome).toMatchObject({ kind: "fetched", from: "n1" });
    expect(source.asked).toEqual(["n1", "n1 on", "n1 on"]);
  });

  test("is asked of the next peer where one refuses", async () => {
    const source = new ScriptedSource(await peerState(3), [{ kind: "refuses" }]);
    expect((await fetched(source)).outcome).toMatchObject({ kind: "fetched", from: "n2" });
  });

  test("G6: is asked of nobody else once a peer says that this member was removed", async () => {
    const source = new ScriptedSource(await peerState(3), [{ kind: "refuses", said: "removed" }]);
    expect((await fetched(source)).outcome).toEqual({ kind: "removed", why: "it was removed" });
    expect(source.asked).toEqual(["n1"]);
  });

  test("F3: is not taken where a chunk is spoiled, but asked for again", async () => {
    const source = new ScriptedSource(await peerState(3), [{ kind: "gives", spoiled: true }]);
    expect((await fetched(source)).outcome).toMatchObject({ kind: "fetched" });
    expect(source.asked.length).toBe(2);
  });

  test("is given up with what the last peer said when nothing comes for long", async () => {
    const source = new ScriptedSource(await peerState(3), [], { kind: "refuses" });
    const { outcome } = await fetched(source, { timeoutMs: 200 });
    expect(outcome).toEqual({ kind: "failed", why: "n2: refused: it is too busy" });
  });

  test("is given up where nobody is known, or nobody tells whom to ask", async () => {
    const source = new ScriptedSource(await peerState(3), []);
    const nobody = { kind: "failed", why: "no other member is known" };
    expect((await fetched(source, { peers: async () => [], timeoutMs: 200 })).outcome).toEqual(nobody);
    const unreachable = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    expect((await fetched(source, { peers: unreachable, timeoutMs: 200 })).outcome).toEqual(nobody);
  });

  test("is left alone where it does not fit", async () => {
    const source = new ScriptedSource(await peerState(3), []);
    const { outcome } = await fetched(source, {
      fault: ({ applied }) => `it ends at ${applied.index}`,
      timeoutMs: 200,
    });
    expect(outcome).toEqual({ kind: "failed", why: "n2: it ends at 3" });
  });

  test("is broken off at a Ctrl-C", async () => {
    const stopping = new AbortController();
    const source = new ScriptedSource(await peerState(3), [], { kind: "refuses" });
    const running = fetched(source, { signal: stopping.signal, timeoutMs: 60_000 });
    stopping.abort();
    expect((await running).outcome).toEqual({ kind: "aborted" });
  });
});
