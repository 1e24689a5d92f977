import type { ClientHttp2Stream } from "node:http2";

/** What a call was answered, as it lay on the wire. */
export interface Reply {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Resolves when the stream is closed. Rejects where it was reset with an error. */
export function replyTo(stream: ClientHttp2Stream): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let headers = {};
    let trailers = {};
    const chunks: Buffer[] = [];
    stream.on("response", (said) => {
      headers = { ...said };
    });
    stream.on("trailers", (said) => {
      trailers = { ...said };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => resolve({ headers, trailers, body: Buffer.concat(chunks) }));
  });
}
