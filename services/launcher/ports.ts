import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { LauncherFault } from "./fault";

/** The most nodes that fit between the bases of the port ranges. */
export const NODES_MAX = 19;

/** How many ports a cluster's numbers span, from its base. */
const PORT_SPAN = 60;

const HOST = "127.0.0.1";

/** The ports of one node. */
export interface NodePorts {
  readonly client: number;
  readonly peer: number;
  readonly http: number;
}

/** The ports of node `number` (from 1) of a cluster whose gateway has the port `basePort`. */
export function nodePorts(basePort: number, number: number): NodePorts {
  return { client: basePort + number, peer: basePort + 20 + number, http: basePort + 40 + number };
}

/** Whether a base port leaves room for all ports above it. */
export function isBasePort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port + PORT_SPAN <= 65_535;
}

/** @throws LauncherFault that names the first port which another process has, and how to choose others */
export async function assertPortsFree(
  ports: readonly { readonly port: number; readonly use: string }[],
): Promise<void> {
  for (const { port, use } of ports) {
    const server = await listen(port);
    if (server === null) {
      throw new LauncherFault(`port ${port} (${use}) is taken: choose other ports with --base-port`);
    }
    await close(server);
  }
}

/** A base port that no other cluster of this machine is given until it is released. */
export interface PortReservation {
  readonly basePort: number;
  release(): Promise<void>;
}

/** Slots lie below the range that systems take the ports of outgoing connections from, and end before 20,000. */
const SLOT_PORTS = 64;
const SLOT_FIRST = 10_240;
const SLOTS = 152;

/**
 * Draws free ports for a cluster of `nodes` nodes. The last port of the slot is held open until the release, and by that
 * the slot is taken, also from other processes; it is free again when the holder ends, however that happens.
 */
export async function reservePorts(nodes: number): Promise<PortReservation> {
  for (let attempt = 0; attempt < 2 * SLOTS; attempt += 1) {
    const basePort = SLOT_FIRST + SLOT_PORTS * randomInt(SLOTS);
    const holder = await listen(basePort + SLOT_PORTS - 1);
    if (holder === null) continue;
    holder.unref();
    if (await areFree(portsOf(basePort, nodes))) return { basePort, release: () => close(holder) };
    await close(holder);
  }
  throw new LauncherFault(`no ${SLOT_PORTS} free ports in a row were found above ${SLOT_FIRST}`);
}

function portsOf(basePort: number, nodes: number): readonly number[] {
  const ofNodes = Array.from({ length: nodes }, (_, at) => Object.values(nodePorts(basePort, at + 1))).flat();
  return [basePort, ...ofNodes];
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === null) return false;
    await close(server);
  }
  return true;
}

/** null when the port is taken. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(null);
      else if (error.code === "EACCES")
        reject(new LauncherFault(`port ${port} may not be used by this account`));
      else reject(error);
    });
    server.listen({ host: HOST, port, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
