import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { framed } from "@quorate/proto/calling";

/** Ends each call well, after as many messages as it is told, whatever the call takes. */
export class AnsweringServer {
  private readonly server = createServer();
  private readonly sessions: ServerHttp2Session[] = [];

  constructor(messageCount: number) {
    this.server.on("session", (session) => this.sessions.push(session));
    this.server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      for (let nth = 0; nth < messageCount; nth += 1) stream.write(framed(Buffer.of(nth)));
      stream.end();
    });
  }

  /** @returns its address */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}
