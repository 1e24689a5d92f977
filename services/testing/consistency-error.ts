import type { MemberId } from "@quorate/services/raft";

/** Two nodes that have applied the same entries hold different things. */
export class ConsistencyError extends Error {
  override readonly name = "ConsistencyError";
  /** The node that differs from the most others; where as many hold the one as the other, the one of the later number. */
  readonly node: MemberId;
  /** Empty where the difference is not in one. */
  readonly namespace: string;
  /** Where they differ first; null where the difference is not in a key. */
  readonly key: Uint8Array | null;

  constructor(
    message: string,
    fields: { readonly node: MemberId; readonly namespace: string; readonly key: Uint8Array | null },
  ) {
    super(message);
    this.node = fields.node;
    this.namespace = fields.namespace;
    this.key = fields.key;
  }
}
