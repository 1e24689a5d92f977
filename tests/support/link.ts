import { createServer, connect as open, type Server, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { eventually } from "./eventually";

/** What a link does to the connections that pass through it. */
export type LinkFault =
  /** Swallows all bytes, both ways, and tells nobody: a network that drops packets. */
  | { readonly kind: "cut" }
  /** Passes all bytes on later, in their order. */
  | { readonly kind: "delay"; readonly delayMs: number; readonly jitterMs: number }
  /**
   * Lost packets as TCP shows them: a chunk is held up as for a retransmission, and some connections are reset. The
   * shares are of chunks.
   */
  | {
      readonly kind: "lossy";
      readonly stallShare: number;
      readonly stallMs: number;
      readonly resetShare: number;
    }
  /** Passes so many bytes a second on in each direction. */
  | { readonly kind: "throttle"; readonly bytesPerSecond: number }
  /** One end of each connection is gone while the other still believes in it; so is it with new ones if the target is gone. */
  | { readonly kind: "half_open"; readonly gone: "source" | "target" }
  /** A connection attempt is never answered; connections that exist are swallowed. */
  | { readonly kind: "never_connects" }
  /** Connections are reset, and refused from then on. */
  | { readonly kind: "refuse" };

/** Faults whose connections are gone afterwards, for bytes are missing in them. */
const LEAVES_HOLES = {
  cut: true,
  delay: false,
  lossy: false,
  throttle: false,
  half_open: true,
  never_connects: true,
  refuse: false,
} as const satisfies Record<LinkFault["kind"], boolean>;

const HOST = "127.0.0.1";

/** Of a throttled link: how often its share of bytes is passed on. */
const THROTTLE_SLICE_MS = 50;

/** Stands in front of one port and passes connections on to it, until it is given a fault. */
export class Link {
  targetPort = 0;
  readonly port: number;
  readonly #chance: () => number;
  readonly #pairs = new Set<Pair>();
  #server: Server | null;
  #blackHole: BlackHole | null = null;
  #fault: LinkFault | null = null;

  private constructor(server: Server, port: number, chance: () => number) {
    this.#server = server;
    this.port = port;
    this.#chance = chance;
    server.on("connection", (source) => this.#serve(source));
  }

  /** @param chance a number in [0, 1) for each decision of a lossy or jittery link */
  static async listen(chance: () => number = Math.random): Promise<Link> {
    const server = createServer({ allowHalfOpen: false });
    await listening(server, 0);
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy listens on a port");
    return new Link(server, address.port, chance);
  }

  get fault(): LinkFault | null {
    return this.#fault;
  }

  /** The connections that pass through it now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Puts the fault in place of the present one. */
  async impose(fault: LinkFault): Promise<void> {
    await this.heal();
    this.#fault = fault;
    for (const pair of this.#pairs) pair.impose(fault);
    if (fault.kind === "refuse") {
      this.reset();
      await this.#stopListening();
    }
    if (fault.kind === "never_connects") {
      await this.#stopListening();
      this.#blackHole = await BlackHole.open(this.port);
    }
  }

  /** Everything flows again; connections that lost bytes are gone. Safe when there is no fault. */
  async heal(): Promise<void> {
    const fault = this.#fault;
    if (fault === null) return;
    this.#fault = null;
    // What was swallowed is gone: a connection with a hole in it is of no use to anybody.
    if (LEAVES_HOLES[fault.kind]) this.reset();
    else for (const pair of this.#pairs) pair.impose(null);
    await this.#blackHole?.close();
    this.#blackHole = null;
    if (this.#server === null) {
      const server = createServer();
      server.on("connection", (source) => this.#serve(source));
      await eventually("the port can be listened on again", () =>
        listening(server, this.port).then(() => true),
      );
      this.#server = server;
    }
  }

  /** Resets all connections; new ones are welcome. */
  reset(): void {
    for (const pair of this.#pairs) pair.destroy();
  }

  async close(): Promise<void> {
    this.reset();
    await this.#blackHole?.close();
    await this.#stopListening();
  }

  #serve(source: Socket): void {
    const pair = new Pair(source, this.targetPort, this.#chance, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    // For a connection that comes later, a source that is gone is no fault: it is the one that came back.
    const isReturn = this.#fault?.kind === "half_open" && this.#fault.gone === "source";
    if (this.#fault !== null && !isReturn) pair.impose(this.#fault);
  }

  /** Existing connections stay: a server that is closed only accepts no more. */
  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.close();
    await eventually("the port is free", () => !server.listening);
  }
}

/** The two halves of one connection. */
class Pair {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #chance: () => number;
  readonly #onGone: () => void;
  readonly #lanes: readonly Lane[];
  #fault: LinkFault | null = null;

  constructor(source: Socket, targetPort: number, chance: () => number, onGone: () => void) {
    this.#source = source;
    this.#target = open(targetPort, HOST);
    this.#chance = chance;
    this.#onGone = onGone;
    this.#lanes = [this.#join(this.#source, this.#target), this.#join(this.#target, this.#source)];
  }

  impose(fault: LinkFault | null): void {
    this.#fault = fault;
    if (fault?.kind === "half_open") (fault.gone === "source" ? this.#source : this.#target).destroy();
    for (const lane of this.#lanes) lane.wake();
  }

  destroy(): void {
    this.#source.destroy();
    this.#target.destroy();
    for (const lane of this.#lanes) lane.stop();
    this.#onGone();
  }

  get #swallows(): boolean {
    const kind = this.#fault?.kind;
    return kind === "cut" || kind === "half_open" || kind === "never_connects";
  }

  #join(from: Socket, to: Socket): Lane {
    const lane = new Lane(to, {
      fault: () => this.#fault,
      chance: this.#chance,
      reset: () => this.destroy(),
    });
    from.on("data", (bytes) => {
      if (this.#swallows) return;
      if (!lane.push(bytes)) from.pause();
    });
    lane.onDrain = () => from.resume();
    // Each side's end is the other's end; an error ends a socket like anything else.
    from.on("error", () => from.destroy());
    from.on("close", () => {
      if (!this.#swallows) this.destroy();
      else if (this.#source.destroyed && this.#target.destroyed) this.destroy();
    });
    return lane;
  }
}

interface LanePorts {
  readonly fault: () => LinkFault | null;
  readonly chance: () => number;
  readonly reset: () => void;
}

/** How many bytes may wait in a slow lane before its source is asked to pause. */
const LANE_BYTES_MAX = 256 * 1024;

/** One direction of a connection: chunks in their order, each not before its time. */
class Lane {
  onDrain: () => void = () => undefined;
  readonly #sink: Socket;
  readonly #ports: LanePorts;
  readonly #waiting: { bytes: Buffer; readonly dueAtMs: number }[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(sink: Socket, ports: LanePorts) {
    this.#sink = sink;
    this.#ports = ports;
  }

  /** @returns whether there is room for more */
  push(bytes: Buffer): boolean {
    const fault = this.#ports.fault();
    if (fault?.kind === "lossy" && this.#ports.chance() < fault.resetShare) {
      this.#ports.reset();
      return true;
    }
    const holdMs = this.#holdMs(fault);
    const isFree = holdMs === 0 && fault?.kind !== "throttle" && this.#waiting.length === 0;
    if (isFree) {
      if (this.#sink.writable) this.#sink.write(bytes);
      return true;
    }
    // Behind those that came before it, for a connection keeps its order.
    const after = this.#waiting.at(-1)?.dueAtMs ?? 0;
    this.#waiting.push({ bytes, dueAtMs: Math.max(after, performance.now() + holdMs) });
    this.#waitingBytes += bytes.length;
    this.#plan();
    return this.#waitingBytes < LANE_BYTES_MAX;
  }

  /** The fault has changed: what waits goes by the new one. */
  wake(): void {
    this.#clearTimer();
    if (this.#ports.fault() === null) this.#passOn(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    else this.#plan();
  }

  stop(): void {
    this.#clearTimer();
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  #holdMs(fault: LinkFault | null): number {
    switch (fault?.kind) {
      case "delay":
        return fault.delayMs + fault.jitterMs * this.#ports.chance();
      case "lossy":
        return this.#ports.chance() < fault.stallShare ? fault.stallMs : 0;
      default:
        return 0;
    }
  }

  #plan(): void {
    const first = this.#waiting[0];
    if (first === undefined || this.#timer !== null) return;
    const fault = this.#ports.fault();
    const waitMs =
      fault?.kind === "throttle" ? THROTTLE_SLICE_MS : Math.max(0, first.dueAtMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const bytesMax =
        fault?.kind === "throttle"
          ? (fault.bytesPerSecond * THROTTLE_SLICE_MS) / 1000
          : Number.POSITIVE_INFINITY;
      this.#passOn(performance.now(), bytesMax);
      this.#plan();
    }, waitMs);
  }

  #passOn(untilMs: number, bytesMax: number): void {
    let left = bytesMax;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.dueAtMs > untilMs || left <= 0) break;
      const bytes = first.bytes.subarray(0, Math.ceil(Math.min(left, first.bytes.length)));
      if (this.#sink.writable) this.#sink.write(bytes);
      left -= bytes.length;
      this.#waitingBytes -= bytes.length;
      first.bytes = first.bytes.subarray(bytes.length);
      if (first.bytes.length === 0) this.#waiting.shift();
    }
    if (this.#waitingBytes < LANE_BYTES_MAX) this.onDrain();
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/*
 * Node.js accepts whatever the kernel has completed, so the listener lives in a thread that sleeps for ever: connections
 * then pile up in the kernel's queue, and once it is full further attempts get no answer at all (listen(2)).
 */
const SLEEPER = `
const { parentPort, workerData } = require("node:worker_threads");
const server = require("node:net").createServer();
server.on("error", (error) => parentPort.postMessage(error.code));
server.listen({ port: workerData.port, host: workerData.host, backlog: 1, exclusive: true }, () => {
  parentPort.postMessage("listening");
  setImmediate(() => Atomics.wait(new Int32Array(workerData.lock), 0, 0));
});
`;

/** A port where connection attempts are never completed. */
class BlackHole {
  readonly #worker: Worker;
  readonly #lock: SharedArrayBuffer;
  readonly #fillers: Socket[] = [];

  private constructor(worker: Worker, lock: SharedArrayBuffer) {
    this.#worker = worker;
    this.#lock = lock;
  }

  static async open(port: number): Promise<BlackHole> {
    const hole = await eventually("the port can be made a black hole", () => BlackHole.#listen(port));
    await hole.#fill(port);
    return hole;
  }

  static async #listen(port: number): Promise<BlackHole> {
    const lock = new SharedArrayBuffer(4);
    const worker = new Worker(SLEEPER, { eval: true, workerData: { port, host: HOST, lock } });
    const word = await new Promise<string>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    if (word === "listening") return new BlackHole(worker, lock);
    await worker.terminate();
    throw new Error(word);
  }

  async close(): Promise<void> {
    for (const filler of this.#fillers) filler.destroy();
    Atomics.store(new Int32Array(this.#lock), 0, 1);
    Atomics.notify(new Int32Array(this.#lock), 0);
    await this.#worker.terminate();
  }

  /** Opens connections until one is not completed: the queue is full then. */
  async #fill(port: number): Promise<void> {
    await eventually("the queue of connections is full", async () => {
      const filler = open(port, HOST);
      filler.on("error", () => filler.destroy());
      this.#fillers.push(filler);
      return !(await isCompleted(filler));
    });
  }
}

/** On this machine a connection that is completed at all is completed at once. */
const COMPLETION_MS_MAX = 200;

function isCompleted(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    // What came while this process stood still is taken up before it is given up.
    const timer = setTimeout(() => setTimeout(() => resolve(false), 0), COMPLETION_MS_MAX);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(error);
    server.once("error", fail);
    server.listen({ port, host: HOST, exclusive: true }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}
