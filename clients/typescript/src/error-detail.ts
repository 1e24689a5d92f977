import { ErrorDetail } from "@quorate/proto/kv";
import { RpcStatus } from "@quorate/proto/rpc-status";

/** The trailer of gRPC's richer error model. */
const DETAILS_TRAILER = "grpc-status-details-bin";

const ERROR_DETAIL_TYPE = "quorate.kv.v1.ErrorDetail";

/**
 * The encoded google.rpc.Status that a failed call of grpc-js carries in its trailer, if it does. Known by what it has: its class
 * may be that of another copy of grpc-js, and loading one was two fifths of loading this client.
 */
export function statusDetailsOf(failure: object): Uint8Array | undefined {
  const metadata = "metadata" in failure ? failure.metadata : undefined;
  if (!hasTrailers(metadata)) return undefined;
  const trailer = metadata.get(DETAILS_TRAILER)[0];
  return trailer instanceof Uint8Array ? trailer : undefined;
}

function hasTrailers(metadata: unknown): metadata is { get(name: string): readonly unknown[] } {
  return (
    typeof metadata === "object" &&
    metadata !== null &&
    "get" in metadata &&
    typeof metadata.get === "function" &&
    "toHttp2Headers" in metadata
  );
}

/** The Quorate detail inside an encoded google.rpc.Status, or null when it is damaged or holds none. */
export function decodeErrorDetail(status: Uint8Array): ErrorDetail | null {
  try {
    const detail = RpcStatus.decode(status).details.find(({ typeUrl }) =>
      typeUrl.endsWith(`/${ERROR_DETAIL_TYPE}`),
    );
    return detail === undefined ? null : ErrorDetail.decode(detail.value);
  } catch {
    // The detail only refines the status code: one that a proxy has damaged must not hide the failure itself.
    return null;
  }
}
