import { createServer } from "node:net";
import { resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { connect } from "@quorate/client";
import { Child, NeverWill, PortBlock, Workplace } from "../support";
import { inTime, patientTests } from "./patient";
import { childrenOf, isAlive } from "./processes";

/** What `npm start` hands over to. */
const LAUNCHER_PROGRAM = resolve(__dirname, "../../services/dist/programs/launcher.js");

patientTests();

let workplace: Workplace;
let ports: PortBlock;

beforeEach(async () => {
  workplace = new Workplace();
  ports = await PortBlock.claim([0, 1, 2, 3, 21, 22, 23, 41, 42, 43]);
});

afterEach(async () => {
  await workplace.remove();
  await ports.release();
});

function launch(...flags: readonly string[]): Child {
  const dataDir = workplace.at("data");
  return new Child(workplace, "launcher", [
    LAUNCHER_PROGRAM,
    "--base-port",
    String(ports.base),
    "--data-dir",
    dataDir,
    ...flags,
  ]);
}

/** Waits for a line of the launcher's output. */
function untilItSays(child: Child, words: string): Promise<true> {
  return inTime(`the launcher says "${words}"`, () => {
    if (!child.isRunning) throw new NeverWill(`the launcher ended:\n${child.log()}`);
    return child.log().includes(words) && (true as const);
  });
}

/** The processes that it has started; they are entered in the workplace, which ends them whatever happens. */
function startedBy(launcher: Child): number[] {
  const children = childrenOf(launcher.pid);
  for (const child of children) workplace.enter(child);
  return children;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((settle) => {
    server.once("error", () => settle(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => settle(true));
  });
  await new Promise((settle) => server.close(settle));
  return free;
}

function endpoints(): string[] {
  return [0, 1, 2, 3].map((offset) => `127.0.0.1:${ports.base + offset}`);
}

test("L1: one command starts three nodes and a gateway, Ctrl-C leaves no process and no port, the data is kept, and not even a kill leaves a process", async () => {
  const first = launch();
  await untilItSays(first, "Ctrl-C");
  for (const endpoint of endpoints()) expect(first.log()).toContain(endpoint);
  const children = startedBy(first);
  expect(children).toHaveLength(4);
  for (const [at, endpoint] of endpoints().entries()) {
    const client = connect({ endpoints: [endpoint], deadlineMs: 60_000 });
    await client.kv.put(`through ${at}`, "kept");
    await client.close();
  }
  first.signal("SIGINT");
  expect(await first.ended).toEqual({ code: 0, signal: null });
  expect(children.filter(isAlive)).toEqual([]);
  const used = [0, 1, 2, 3, 21, 22, 23, 41, 42, 43].map((offset) => ports.base + offset);
  for (const port of used) expect({ port, free: await isFree(port) }).toEqual({ port, free: true });

  const second = launch();
  await inTime("it is started again", () => second.log().split("Quorate is running").length === 3);
  const again = startedBy(second);
  expect(again).toHaveLength(4);
  const client = connect({ endpoints: endpoints().slice(0, 1), deadlineMs: 60_000 });
  expect(await client.kv.count()).toBe(4);
  await client.close();
  // A launcher that is killed leaves no process either.
  second.signal("SIGKILL");
  await second.ended;
  await inTime("its processes end", () => !again.some(isAlive));
});

test("L1: Ctrl-C while the nodes are starting ends them too", async () => {
  const launcher = launch();
  const children = await inTime("there are nodes", () => {
    const found = startedBy(launcher);
    return found.length > 0 && found;
  });
  launcher.signal("SIGINT");
  expect((await launcher.ended).code).toBe(0);
  expect([...children, ...startedBy(launcher)].filter(isAlive)).toEqual([]);
});

test("L1: a port that is taken stops the start with one line that names it and what to do", async () => {
  const port = ports.base + 2;
  const other = createServer();
  await new Promise<void>((listening) => other.listen({ port, host: "127.0.0.1" }, listening));
  try {
    const launcher = launch();
    expect((await launcher.ended).code).toBe(1);
    const lines = launcher.log().trimEnd().split("\n");
    expect(lines.at(-1)).toContain(`port ${port}`);
    expect(lines.at(-1)).toContain("--base-port");
    expect(startedBy(launcher)).toEqual([]);
  } finally {
    await new Promise((closed) => other.close(closed));
  }
});
