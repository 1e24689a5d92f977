import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { compare, op } from "@quorate/client";
import { Consistency, type GetRequest, KvServiceDefinition, type ScanRequest } from "@quorate/proto/kv";
import { type Driver, type Revision, WrongAnswer } from "../driver";

/** A method as ts-proto describes it. */
interface UnaryMethod<Request, Response> {
  readonly name: string;
  readonly requestType: { encode(message: Request): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): Response };
}

const { methods, fullName } = KvServiceDefinition;

/** So long that a stall shows as a latency, not as a failure. */
const DEADLINE_MS = 30_000;

const NOTHING = new Uint8Array(0);

const FRESH = {
  consistency: Consistency.LINEARIZABLE,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
} as const;

/**
 * One unary call of generated code an operation, as any gRPC client makes them: no sessions, no retries, no frames shared by calls.
 *
 * @param address host:port of the one node or gateway that is called
 */
export function unaryDriver(address: string): Driver {
  const client = new Client(address, credentials.createInsecure());

  function unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/${fullName}/${method.name}`,
        (message: Request) => Buffer.from(method.requestType.encode(message).finish()),
        method.responseType.decode,
        request,
        new Metadata(),
        { deadline: Date.now() + DEADLINE_MS },
        (failure, response) => (failure === null ? resolve(response as Response) : reject(failure)),
      );
    });
  }

  const put = async (
    key: string,
    value: Buffer,
    expectedModRevision: bigint | undefined,
  ): Promise<Revision> => {
    const { header } = await unary(methods.put, {
      namespace: "",
      key: Buffer.from(key),
      value,
      leaseId: 0n,
      returnPrevious: false,
      expectedModRevision,
    });
    return Number(header?.revision);
  };

  const get = async (key: string, consistency: GetRequest["consistency"]): Promise<void> => {
    const request = { namespace: "", key: Buffer.from(key), ...FRESH, consistency };
    const { record } = await unary(methods.get, request);
    if (record === undefined) throw new WrongAnswer(`${key} is not there`);
  };

  const scan = async (start: string, end: string, keysOnly: boolean): Promise<Revision[]> => {
    const request: ScanRequest = {
      namespace: "",
      start: Buffer.from(start),
      end: Buffer.from(end),
      prefix: NOTHING,
      limit: 0n,
      cursor: NOTHING,
      reverse: false,
      keysOnly,
      ...FRESH,
    };
    const { requestType, responseType } = methods.scan;
    const call = client.makeServerStreamRequest(
      `/${fullName}/${methods.scan.name}`,
      (message: ScanRequest) => Buffer.from(requestType.encode(message).finish()),
      responseType.decode,
      request,
      new Metadata(),
      { deadline: Date.now() + DEADLINE_MS },
    );
    const revisions: Revision[] = [];
    for await (const part of call as AsyncIterable<ReturnType<typeof responseType.decode>>) {
      for (const { modRevision } of part.records) revisions.push(Number(modRevision));
    }
    return revisions;
  };

  return {
    put: (key, value) => put(key, value, undefined),
    get: (key) => get(key, Consistency.LINEARIZABLE),
    getStale: (key) => get(key, Consistency.STALE),
    compareAndSet: (key, revision, value) => put(key, value, BigInt(revision)),
    scan: async (from, to) => (await scan(from, to, false)).length,
    async transact({ guard, first, second, read }, value) {
      const { succeeded } = await unary(methods.txn, {
        namespace: "",
        compares: [compare.exists(guard).message],
        success: [op.put(first, value).message, op.put(second, value).message, op.get(read).message],
        failure: [],
      });
      if (!succeeded) throw new WrongAnswer(`${guard} is not there`);
    },
    revisions: (from, to) => scan(from, to, true),
    close: async () => client.close(),
  };
}
