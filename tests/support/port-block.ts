import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/*
 * Below the ports that Linux hands out by itself (32768 and up), so that no outgoing connection of anybody can take one
 * of ours between the claim and the start of a process; and above those that the launcher reserves (launcher/ports.ts),
 * for neither sees the claims of the other.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const BLOCK_PORTS = 100;

/** In each block the port that nobody serves: who listens on it owns the block. It is freed even by a kill. */
const CLAIM_OFFSET = 99;

/** A hundred ports that no other test on this machine uses. */
export class PortBlock {
  readonly base: number;
  readonly #claim: Server;

  private constructor(base: number, claim: Server) {
    this.base = base;
    this.#claim = claim;
  }

  /** Claims a block whose ports at these offsets are free. */
  static async claim(offsets: readonly number[]): Promise<PortBlock> {
    const blocks = (PORT_MAX - PORT_MIN) / BLOCK_PORTS;
    const first = randomInt(blocks);
    for (let step = 0; step < blocks; step += 1) {
      const base = PORT_MIN + ((first + step) % blocks) * BLOCK_PORTS;
      const claim = await listen(base + CLAIM_OFFSET);
      if (claim === null) continue;
      if (await areFree(offsets.map((offset) => base + offset))) return new PortBlock(base, claim);
      await close(claim);
    }
    throw new Error(`no block of ${BLOCK_PORTS} ports between ${PORT_MIN} and ${PORT_MAX} is free`);
  }

  release(): Promise<void> {
    return close(this.#claim);
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === null) return false;
    await close(server);
  }
  return true;
}

function listen(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (failure: NodeJS.ErrnoException) => {
      if (failure.code === "EADDRINUSE") resolve(null);
      else reject(failure);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
    server.unref();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
