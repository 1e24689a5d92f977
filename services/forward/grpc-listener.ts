import { createServer, type Socket } from "node:net";
import { Connections } from "./connections";
import { listenOn } from "./listen-on";

/** Accepts the connections of a server, and knows which ones there are. */
export class GrpcListener {
  readonly connections = new Connections();
  private readonly listener = createServer();

  /**
   * @param server what takes the connections
   * @param failed told of connections that could not be accepted
   * @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken
   */
  async listen(
    server: { accept(socket: Socket): void },
    address: string,
    failed: (error: Error) => void,
  ): Promise<number> {
    this.listener.on("connection", (socket) => {
      this.connections.add(socket);
      server.accept(socket);
    });
    const port = await listenOn(this.listener, address);
    // That one connection could not be accepted is no reason to end the process, which nobody listening would be.
    this.listener.on("error", failed);
    return port;
  }

  /** Takes no more connections; those that there are stay. Safe to call twice. */
  close(): void {
    this.listener.close();
  }
}
