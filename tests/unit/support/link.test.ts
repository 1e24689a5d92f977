import { createServer, connect as open, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { eventually } from "../../support/eventually";
import { Link, type LinkFault } from "../../support/link";

/** An end of a connection that keeps what it hears. */
class End {
  readonly socket: Socket;
  heard = "";
  isOpen = true;
  isConnected = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.heard += text;
    });
    socket.on("connect", () => {
      this.isConnected = true;
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.isOpen = false;
    });
  }

  say(text: string): void {
    this.socket.write(text);
  }
}

describe("a link", () => {
  let server: Server;
  let link: Link;
  let accepted: End[];
  let dialled: End[];
  let chance: () => number;

  beforeEach(async () => {
    accepted = [];
    dialled = [];
    chance = () => 0;
    server = createServer((socket) => accepted.push(new End(socket)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    link = await Link.listen(() => chance());
    link.targetPort = (server.address() as { port: number }).port;
  });

  afterEach(async () => {
    for (const { socket } of [...accepted, ...dialled]) socket.destroy();
    await link.close();
    await new Promise((resolve) => server.close(resolve));
  });

  function dial(): End {
    const end = new End(open(link.port, "127.0.0.1"));
    dialled.push(end);
    return end;
  }

  /** Both ends of a connection that has carried a word each way. */
  async function connection(): Promise<{ source: End; target: End }> {
    const count = accepted.length;
    const source = dial();
    const target = await eventually("the target accepts", () => accepted[count]);
    source.say("a");
    target.say("b");
    await eventually("both hear each other", () => source.heard === "b" && target.heard === "a");
    return { source, target };
  }

  /** A round over another, whole connection: what was sent before it has had its time. */
  async function expectSilence(ends: readonly End[], send: () => void): Promise<void> {
    const before = ends.map(({ heard }) => heard);
    send();
    const witness = await Link.listen();
    witness.targetPort = link.targetPort;
    const count = accepted.length;
    const other = new End(open(witness.port, "127.0.0.1"));
    const far = await eventually("the witness connects", () => accepted[count]);
    other.say("x");
    await eventually("the witness is heard", () => far.heard === "x");
    other.socket.destroy();
    await witness.close();
    expect(ends.map(({ heard }) => heard)).toEqual(before);
  }

  it("passes on what is said, both ways, and the end of a connection", async () => {
    const { source, target } = await connection();
    source.socket.end();
    await eventually("the target sees the end", () => !target.isOpen);
    await eventually("the link forgets the connection", () => link.connections === 0);
  });

  it("that is cut swallows everything and tells nobody; healed, it resets what has holes and serves again", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "cut" });
    await expectSilence([source, target], () => {
      source.say("lost");
      target.say("lost");
    });
    expect([source.isOpen, target.isOpen]).toEqual([true, true]);
    await link.heal();
    await eventually("both ends are told", () => !source.isOpen && !target.isOpen);
    await connection();
  });

  it("that is cut accepts a new connection and swallows it", async () => {
    await link.impose({ kind: "cut" });
    const source = dial();
    await eventually("it is accepted", () => source.isConnected);
    const target = await eventually("the target sees it", () => accepted[0]);
    await expectSilence([target], () => source.say("lost"));
  });

  it("with a delay passes all on in its order, not before its time", async () => {
    const { source, target } = await connection();
    const words = Array.from({ length: 20 }, (_, at) => `${at};`);
    let next = 0;
    chance = () => [0.9, 0.1, 0.5][next++ % 3] as number;
    await link.impose({ kind: "delay", delayMs: 60, jitterMs: 60 });
    const startedAtMs = performance.now();
    for (const word of words) source.say(word);
    await eventually("all is heard", () => target.heard === `a${words.join("")}`);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(59);
  });

  it("healed of a delay passes on at once what was held up", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "delay", delayMs: 3_600_000, jitterMs: 0 });
    await expectSilence([target], () => source.say("later"));
    await link.heal();
    await eventually("it is heard", () => target.heard === "alater");
    source.say("!");
    await eventually("the connection lives", () => target.heard === "alater!");
  });

  it("that is lossy holds chunks up, and resets connections, as chance has it", async () => {
    const { source, target } = await connection();
    const fault: LinkFault = { kind: "lossy", stallShare: 0.5, stallMs: 3_600_000, resetShare: 0.1 };
    await link.impose(fault);
    chance = () => 0.7;
    source.say("1");
    await eventually("a lucky chunk is heard", () => target.heard === "a1");
    chance = () => 0.3;
    await expectSilence([target], () => source.say("2"));
    chance = () => 0.05;
    source.say("3");
    await eventually("an unlucky one resets", () => !source.isOpen && !target.isOpen);
    expect(target.heard).toBe("a1");
  });

  it("that is throttled passes so many bytes a second on", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "throttle", bytesPerSecond: 20_000 });
    const startedAtMs = performance.now();
    source.say("z".repeat(6000));
    await eventually("all is heard", () => target.heard.length === 6001);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(240);
  });

  it("that is half open ends one side and leaves the other in its belief", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "half_open", gone: "target" });
    await eventually("the target is told", () => !target.isOpen);
    await expectSilence([source], () => source.say("lost"));
    expect(source.isOpen).toBe(true);
    await link.heal();
    await eventually("the source is told", () => !source.isOpen);
  });

  it("whose source is gone keeps the old connection at the target and serves the one that comes back", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "half_open", gone: "source" });
    await eventually("the source is told", () => !source.isOpen);
    await connection();
    expect(target.isOpen).toBe(true);
  });

  it("that never connects leaves attempts without an answer until it is healed", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "never_connects" });
    const attempt = dial();
    await expectSilence([source, target], () => {
      source.say("lost");
      target.say("lost");
    });
    expect({ isConnected: attempt.isConnected, isOpen: attempt.isOpen }).toEqual({
      isConnected: false,
      isOpen: true,
    });
    await link.heal();
    await connection();
  });

  it("that refuses resets what there is and refuses what comes", async () => {
    const { source, target } = await connection();
    await link.impose({ kind: "refuse" });
    await eventually("both ends are told", () => !source.isOpen && !target.isOpen);
    const attempt = dial();
    await eventually("it is refused", () => !attempt.isOpen);
    expect(attempt.isConnected).toBe(false);
    await link.heal();
    await connection();
  });

  it("takes one fault in place of another", async () => {
    await link.impose({ kind: "never_connects" });
    await link.impose({ kind: "refuse" });
    await link.impose({ kind: "delay", delayMs: 1, jitterMs: 0 });
    await connection();
    expect(link.fault?.kind).toBe("delay");
  });
});
