import { type AddressInfo, connect, createServer } from "node:net";

/** Accepts connections and ends each at once: an attempt to connect fails there. */
export class RefusingServer {
  accepted = 0;
  /** Connections that have ended on both sides. */
  refused = 0;
  address = "";
  private readonly server = createServer((socket) => {
    this.accepted += 1;
    socket.on("error", () => {});
    socket.once("close", () => {
      this.refused += 1;
    });
    socket.resume();
    socket.end();
  });

  static async open(): Promise<RefusingServer> {
    const refusing = new RefusingServer();
    await new Promise<void>((resolve) => refusing.server.listen(0, "127.0.0.1", resolve));
    refusing.address = `127.0.0.1:${(refusing.server.address() as AddressInfo).port}`;
    return refusing;
  }

  /** What was on its way is accepted: connections are taken in their order. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const { port } = this.server.address() as AddressInfo;
    await new Promise<void>((resolve) => {
      const last = connect(port, "127.0.0.1");
      last.resume();
      last.once("close", () => resolve());
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
