import {
  AppendRequest,
  DeleteRangeRequest,
  GetRequest,
  IncrementRequest,
  PutRequest,
  ScanRequest,
  type TxnOperation,
  TxnRequest,
} from "@quorate/client/generated";

interface Codec<Message> {
  decode(bytes: Uint8Array): Message;
}

interface Codecs {
  readonly put: Codec<PutRequest>;
  readonly deleteRange: Codec<DeleteRangeRequest>;
  readonly increment: Codec<IncrementRequest>;
  readonly append: Codec<AppendRequest>;
  readonly get: Codec<GetRequest>;
  readonly scan: Codec<ScanRequest>;
  readonly txn: Codec<TxnRequest>;
}

const codecs: Codecs = {
  put: PutRequest,
  deleteRange: DeleteRangeRequest,
  increment: IncrementRequest,
  append: AppendRequest,
  get: GetRequest,
  scan: ScanRequest,
  txn: TxnRequest,
};

type FieldsOf<C extends keyof Codecs> = Partial<ReturnType<Codecs[C]["decode"]>>;

/** An operation of a Txn; fields that are not given have their Protobuf defaults. */
export function operation<C extends keyof Codecs>($case: C, fields: FieldsOf<C>): TxnOperation {
  const value = { ...codecs[$case].decode(new Uint8Array()), ...fields };
  return { operation: { $case, value } as NonNullable<TxnOperation["operation"]> };
}

/** What a Txn does when it compares nothing. */
export function doing(...operations: readonly TxnOperation[]): { readonly success: TxnOperation[] } {
  return { success: [...operations] };
}
