import type { PlainRecord } from "@quorate/proto/kv";
import { toText } from "./bytes";
import { type Codec, decodeAt } from "./codec";
import { toNumber } from "./numbers";

/** A key with the value it had at one revision. */
export class KvRecord {
  /** The key's bytes. */
  readonly keyBytes: Uint8Array;
  /** The value's bytes; empty where only keys were asked for. */
  readonly bytes: Uint8Array;
  /** The revision at which the key came into being. */
  readonly createRevision: number;
  /** The revision of the last change: what `expectedModRevision` compares with. */
  readonly modRevision: number;
  /** How often the key was written since it came into being; 1 after its creation. */
  readonly version: number;
  /** The lease that the key is attached to; 0n for none. Ids use all 64 bits, hence a bigint. */
  readonly leaseId: bigint;

  /** @param copy gives bytes memory that the record may keep */
  constructor(message: PlainRecord, copy: (bytes: Uint8Array) => Uint8Array = ownBytes) {
    // Decoded bytes are views that keep the whole message alive: a record may outlive the page it came in.
    this.keyBytes = copy(message.key);
    this.bytes = copy(message.value);
    this.createRevision = toNumber(message.createRevision);
    this.modRevision = toNumber(message.modRevision);
    this.version = toNumber(message.version);
    this.leaseId = message.leaseId ? BigInt(message.leaseId) : 0n;
  }

  /** The key as text. @throws QuorateError INVALID_ARGUMENT when it is not UTF-8: use `keyBytes` then */
  get key(): string {
    return toText(this.keyBytes);
  }

  /** The value as text. @throws QuorateError INVALID_ARGUMENT when it is not UTF-8: use `bytes` then */
  text(): string {
    return toText(this.bytes);
  }

  /** The value as `codec` reads it. @throws QuorateError INVALID_ARGUMENT that names the key, when it refuses the value */
  as<T>(codec: Codec<T, never>): T {
    return decodeAt(this.keyBytes, this.bytes, codec);
  }
}

/** The record of a reply; undefined where the reply has none. */
export function recordOf(message: PlainRecord | undefined): KvRecord | undefined {
  return message === undefined ? undefined : new KvRecord(message);
}

/** The record of an answer that was decoded into memory which records may keep; undefined where the answer has none. */
export function recordOfAnswer(message: PlainRecord | undefined): KvRecord | undefined {
  return message === undefined ? undefined : new KvRecord(message, asDecoded);
}

/** For a record that was decoded into memory which it may keep. */
export function asDecoded(bytes: Uint8Array): Uint8Array {
  return bytes;
}

/** Memory of its own, for a record that comes alone. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
