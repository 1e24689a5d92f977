import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Log, listenOn } from "#forward";
import type { Condition } from "./condition";

export interface HttpServerOptions {
  /** The metrics, in the text format. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly condition: () => Condition;
  readonly log: Log;
}

const CONNECTIONS_MAX = 64;
const REQUEST_MS_MAX = 5000;
const HEADERS_MS_MAX = 2000;
const KEEP_ALIVE_MS = 5000;
const HEADER_BYTES_MAX = 8192;

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

interface Answer {
  readonly code: number;
  readonly contentType: string;
  readonly body: string;
}

/**
 * Metrics and health over HTTP: `/metrics`, `/livez`, `/readyz`, `/healthz`. Whoever asks costs little however often: one
 * scrape is made at a time, and those who ask meanwhile get the same.
 */
export class HttpServer {
  private readonly options: HttpServerOptions;
  private readonly server: Server;
  private scrape: Promise<Answer> | null = null;
  private closing: Promise<void> | null = null;

  constructor(options: HttpServerOptions) {
    this.options = options;
    this.server = createServer(
      {
        requestTimeout: REQUEST_MS_MAX,
        headersTimeout: HEADERS_MS_MAX,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
        connectionsCheckingInterval: HEADERS_MS_MAX,
      },
      (request, response) => void this.answer(request, response),
    );
    this.server.maxConnections = CONNECTIONS_MAX;
  }

  /** @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken */
  async listen(address: string): Promise<number> {
    const port = await listenOn(this.server, address);
    this.server.on("error", (error) =>
      this.options.log.error({ err: error }, "a connection for metrics was not accepted"),
    );
    return port;
  }

  /** Cuts every connection: what is asked here can be asked again. Safe to call twice. */
  close(): Promise<void> {
    this.closing ??= new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
    return this.closing;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Nothing is asked with a body, and one that comes is not kept.
    request.resume();
    let answer: Answer;
    try {
      answer = await this.answerTo(request);
    } catch (error) {
      this.options.log.error({ err: error, path: request.url }, "a scrape failed");
      answer = { code: 500, contentType: TEXT, body: "the node could not answer; its log says why\n" };
    }
    response.writeHead(answer.code, {
      "content-type": answer.contentType,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      ...(answer.code === 405 ? { allow: "GET, HEAD" } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  private async answerTo({ method, url = "/" }: IncomingMessage): Promise<Answer> {
    if (method !== "GET" && method !== "HEAD") {
      return { code: 405, contentType: TEXT, body: "ask with GET or HEAD\n" };
    }
    switch (url.split("?", 1)[0]) {
      case "/metrics":
        return this.scraped();
      case "/livez": {
        const { isLive } = this.options.condition();
        return isLive ? ok() : unavailable("a store failed");
      }
      case "/readyz": {
        const { notReadyBecause } = this.options.condition();
        return notReadyBecause === null ? ok() : unavailable(notReadyBecause);
      }
      case "/healthz":
        return healthAnswer(this.options.condition());
      default:
        return {
          code: 404,
          contentType: TEXT,
          body: "there are /metrics, /livez, /readyz and /healthz\n",
        };
    }
  }

  private scraped(): Promise<Answer> {
    this.scrape ??= this.options
      .metrics()
      .then(({ contentType, text }) => ({ code: 200, contentType, body: text }))
      .finally(() => {
        this.scrape = null;
      });
    return this.scrape;
  }
}

function ok(): Answer {
  return { code: 200, contentType: TEXT, body: "ok\n" };
}

function unavailable(why: string): Answer {
  return { code: 503, contentType: TEXT, body: `${why}\n` };
}

/** For people and for tools that want more than a word. */
function healthAnswer(condition: Condition): Answer {
  const { isLive, notReadyBecause, alarms } = condition;
  const status = !isLive
    ? "unhealthy"
    : notReadyBecause !== null || alarms.length > 0
      ? "degraded"
      : "healthy";
  const body = {
    status,
    reason: notReadyBecause,
    member_id: condition.memberId,
    role: condition.role,
    term: condition.term,
    leader_id: condition.leaderId,
    apply_lag_entries: condition.applyLagEntries,
    alarms,
  };
  return { code: isLive ? 200 : 503, contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
}
