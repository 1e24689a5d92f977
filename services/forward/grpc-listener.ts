import { createServer } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { Connections } from "./connections";
import { listenOn } from "./listen-on";

/**
 * Accepts the connections of a server of grpc-js, which tells nobody which ones it has, and while channelz is off cuts none
 * when it is shut down by force.
 */
export class GrpcListener {
  readonly connections = new Connections();
  private readonly listener = createServer();

  /**
   * @param failed told of connections that could not be accepted
   * @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken
   */
  async listen(server: Server, address: string, failed: (error: Error) => void): Promise<number> {
    const { injectConnection } = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.listener.on("connection", (socket) => {
      this.connections.add(socket);
      injectConnection(socket);
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
