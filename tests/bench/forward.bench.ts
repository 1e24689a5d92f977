import { ByteChannel, ByteServer, type ByteService, NO_HEADERS, SILENT_LOG } from "@quorate/services/forward";

/*
 * What a unary call costs to carry, both ends in this process, answered at once: CPU microseconds a call, the least of many
 * rounds. Run it with
 *   node tests/dist/bench/forward.bench.js [calls a round]
 */

const ROUNDS = 9;
const CALLS_DEFAULT = 20_000;
const IN_FLIGHT = [1, 8, 64, 256];
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const DEADLINE_MS = 60_000;

const PUT = "/quorate.kv.v1.KvService/Put";
/** As long as those of a small Put. */
const BODY = Buffer.alloc(120, 7);
const ANSWER = Buffer.alloc(40, 7);
const HEADERS = { ...NO_HEADERS, requestId: "123456/789/788" };
const NEVER = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };

const service: ByteService = {
  unary: () => Promise.resolve(ANSWER),
  stream: () => Promise.resolve(),
  duplex: () => Promise.resolve(),
};

async function call(channel: ByteChannel): Promise<void> {
  await channel.unary(
    { path: PUT, body: BODY, headers: HEADERS, deadlineMs: Date.now() + DEADLINE_MS },
    NEVER,
  );
}

/** @returns CPU microseconds a call */
async function round(channel: ByteChannel, inFlight: number, calls: number): Promise<number> {
  let left = calls;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await call(channel);
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: inFlight }, caller));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

async function main(): Promise<void> {
  const calls = Number(process.argv[2] ?? CALLS_DEFAULT);
  const server = new ByteServer({
    service,
    log: SILENT_LOG,
    defaultDeadlineMs: DEADLINE_MS,
    messageBytesMax: MESSAGE_BYTES_MAX,
    onEnd: () => {},
  });
  const port = await server.listen("127.0.0.1:0");
  const keepalive = { timeMs: DEADLINE_MS, timeoutMs: DEADLINE_MS };
  for (const pipelining of [true, false]) {
    const channel = new ByteChannel(`127.0.0.1:${port}`, {
      messageBytesMax: MESSAGE_BYTES_MAX,
      keepalive,
      pipelining,
    });
    await call(channel);
    for (const inFlight of IN_FLIGHT) {
      let least = Number.POSITIVE_INFINITY;
      for (let nth = 0; nth < ROUNDS; nth += 1) {
        least = Math.min(least, await round(channel, inFlight, pipelining ? calls : calls / 10));
      }
      const way = pipelining ? "on one stream" : "by itself";
      console.log(
        `${way.padEnd(14)} ${String(inFlight).padStart(4)} in flight ${least.toFixed(1).padStart(7)} us`,
      );
    }
    channel.close();
  }
  await server.close(1000);
}

void main();
