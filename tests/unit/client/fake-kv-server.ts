import {
  ErrorDetail,
  ErrorReason,
  type GetRequest,
  KvServiceDefinition,
  Outcome,
  RpcStatus,
} from "@quorate/client/generated";
import { type CallContext, createServer, type Server, ServerError, Status } from "nice-grpc";

/** How the fake server answers Get. */
export type GetAnswer = (request: GetRequest, context: CallContext) => Promise<Uint8Array | null>;

/** A server of KvService over real gRPC that knows Get alone. */
export class FakeKvServer {
  readonly #server: Server = createServer();
  answer: GetAnswer = async () => null;

  /** @param at where, host:port; a port that is drawn otherwise */
  async listen(at = "127.0.0.1:0"): Promise<string> {
    this.#server.add(
      KvServiceDefinition,
      fakeService((request, context) => this.answer(request, context)),
    );
    return `127.0.0.1:${await this.#server.listen(at)}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

/** Fails a call as Quorate's servers do: with a status, and the detail in the trailer. */
export function refuse(
  context: CallContext,
  code: Status,
  message: string,
  fields: Partial<ErrorDetail>,
): never {
  const detail = {
    reason: ErrorReason.INTERNAL,
    retryable: false,
    outcome: Outcome.UNSPECIFIED,
    leader: undefined,
    oldestRevision: 0n,
    ...fields,
  };
  const value = ErrorDetail.encode(detail).finish();
  const details = [{ typeUrl: "type.googleapis.com/quorate.kv.v1.ErrorDetail", value }];
  context.trailer.set("grpc-status-details-bin", RpcStatus.encode({ code, message, details }).finish());
  throw new ServerError(code, message);
}

function fakeService(answer: GetAnswer) {
  const unimplemented = async (): Promise<never> => {
    throw new ServerError(Status.UNIMPLEMENTED, "the fake knows Get alone");
  };
  return {
    openSession: unimplemented,
    closeSession: unimplemented,
    put: unimplemented,
    batchGet: unimplemented,
    delete: unimplemented,
    deleteRange: unimplemented,
    count: unimplemented,
    exists: unimplemented,
    increment: unimplemented,
    append: unimplemented,
    prepend: unimplemented,
    truncate: unimplemented,
    txn: unimplemented,
    compact: unimplemented,
    async *scan() {
      yield await unimplemented();
    },
    async *pipeline() {
      yield await unimplemented();
    },
    async get(request: GetRequest, context: CallContext) {
      const value = await answer(request, context);
      const header = { clusterId: "fake", memberId: "n1", term: 1n, revision: 5n };
      if (value === null) return { header, record: undefined };
      const revisions = { createRevision: 5n, modRevision: 5n, version: 1n, leaseId: 0n };
      return { header, record: { key: request.key, value, ...revisions } };
    },
  };
}
