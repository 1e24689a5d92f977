import { type Quorate, QuorateError } from "@quorate/client";
import { createServer, type Server, ServerError, type ServiceImplementation, Status } from "nice-grpc";
import { PageViewServiceDefinition } from "./page-view-definition";
import { PageViewCounter } from "./page-views";

/** A nice-grpc server whose state is in Quorate; `listen` and `shutdown` are the caller's. */
export function pageViewServer(quorate: Quorate): Server {
  const counter = new PageViewCounter(quorate.kv);
  const service: ServiceImplementation<typeof PageViewServiceDefinition> = {
    record: ({ page }) => answering(() => counter.record(checked(page))),
    read: ({ page }) => answering(() => counter.read(checked(page))),
    async *list({ prefix }) {
      yield* counter.list(prefix);
    },
  };
  const server = createServer();
  server.add(PageViewServiceDefinition, service);
  return server;
}

function checked(page: string): string {
  if (page === "") throw new ServerError(Status.INVALID_ARGUMENT, "page must not be empty");
  return page;
}

/** Quorate's codes are gRPC's: a failure of the store is passed on as it is. */
async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof QuorateError) throw new ServerError(Status[error.code], error.message);
    throw error;
  }
}
