import type { ClientDuplexStream } from "@grpc/grpc-js";
import { WatchCreate, type WatchEnded, WatchRequest, WatchResponse } from "@quorate/client/generated";
import type { BareEndpoint } from "#support";
import { inTime } from "./patient";

/** One stream of watches, as it is on the wire. */
export class RawWatches {
  /** All that came, in order. */
  readonly responses: WatchResponse[] = [];
  readonly #stream: ClientDuplexStream<WatchRequest, WatchResponse>;

  constructor(endpoint: BareEndpoint) {
    this.#stream = endpoint.client().makeBidiStreamRequest(
      "/quorate.kv.v1.WatchService/Watch",
      (request: WatchRequest) => Buffer.from(WatchRequest.encode(request).finish()),
      (response: Buffer) => WatchResponse.decode(response),
    );
    // How the stream ends is no matter: what came before is looked at.
    this.#stream.on("error", () => undefined);
    this.#stream.on("data", (response: WatchResponse) => this.responses.push(response));
  }

  /** Begins a watch; fields that are not given have their Protobuf defaults. */
  create(watchId: number, fields: Partial<WatchCreate>): void {
    const value = { ...WatchCreate.decode(new Uint8Array()), watchId: BigInt(watchId), ...fields };
    this.#stream.write({ request: { $case: "create", value } });
  }

  /** What came of a watch. */
  of(watchId: number): readonly WatchResponse[] {
    return this.responses.filter((response) => response.watchId === BigInt(watchId));
  }

  /** The end of a watch, waited for. */
  ended(watchId: number): Promise<WatchEnded> {
    return inTime(`watch ${watchId} ends`, () => {
      const last = this.of(watchId).at(-1)?.response;
      return last?.$case === "ended" ? last.value : null;
    });
  }

  close(): void {
    this.#stream.cancel();
  }
}
