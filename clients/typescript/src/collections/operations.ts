import { type Codec, decodeAt, encodeAt } from "#client/codec";
import {
  type Operation,
  op,
  type TxnDeleteOptions,
  type TxnDeleteResult,
  type TxnPutOptions,
  type TxnPutResult,
} from "#client/txn/operation";

/** Operations on a collection for a Txn: what `op` has for keys, with ids and typed values. */
export class CollectionOperations<T, Input = T> {
  readonly #prefix: string;
  readonly #codec: Codec<T, Input>;

  /** Made by each collection as its `ops`. */
  constructor(prefix: string, codec: Codec<T, Input>) {
    this.#prefix = prefix;
    this.#codec = codec;
  }

  /** Writes a value. */
  put(id: string, value: Input, options?: TxnPutOptions): Operation<TxnPutResult> {
    const key = this.#prefix + id;
    return op.put(key, encodeAt(key, value, this.#codec), options);
  }

  /** Deletes a value. */
  delete(id: string, options?: TxnDeleteOptions): Operation<TxnDeleteResult> {
    return op.delete(this.#prefix + id, options);
  }

  /** The value, or undefined when there is no such id. */
  get(id: string): Operation<T | undefined> {
    const { message, result } = op.get(this.#prefix + id);
    return {
      message,
      result: (answer) => {
        const record = result(answer);
        return record === undefined ? undefined : decodeAt(record.keyBytes, record.bytes, this.#codec);
      },
    };
  }

  /** Adds to a counter of the collection (1 by default) and answers the new number. */
  increment(id: string, by?: number | bigint): Operation<bigint> {
    return op.increment(this.#prefix + id, by);
  }
}
