import type { Socket } from "node:net";

/** A client's connection. */
export interface ClientConnection {
  /** host:port of the other side. */
  readonly address: string;
  readonly connectedMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

/** Keeps count of the connections that are open. */
export class Connections {
  private readonly since = new Map<Socket, { readonly address: string; readonly atMs: number }>();

  /** Takes in a connection; it is forgotten when it ends. */
  add(socket: Socket): void {
    const host = socket.remoteFamily === "IPv6" ? `[${socket.remoteAddress}]` : socket.remoteAddress;
    this.since.set(socket, { address: `${host}:${socket.remotePort}`, atMs: performance.now() });
    socket.once("close", () => this.since.delete(socket));
  }

  /** Ends all at once, with what is under way on them. */
  cut(): void {
    for (const socket of this.since.keys()) socket.destroy();
  }

  /** Ends the one from that address, with what is under way on it. @returns whether there was one */
  drop(address: string): boolean {
    for (const [socket, { address: present }] of this.since) {
      if (present !== address) continue;
      socket.destroy();
      return true;
    }
    return false;
  }

  get count(): number {
    return this.since.size;
  }

  /** Oldest first. */
  list(): readonly ClientConnection[] {
    const nowMs = performance.now();
    return [...this.since].map(([socket, { address, atMs }]) => ({
      address,
      connectedMs: nowMs - atMs,
      bytesReceived: socket.bytesRead,
      bytesSent: socket.bytesWritten,
    }));
  }
}
