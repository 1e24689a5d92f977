import { toText } from "#client/bytes";
import type { Codec } from "#client/codec";
import type { KvRecord } from "#client/record";
import type {
  ChangeCause,
  ChangeOrigin,
  KvDelete,
  KvEvent,
  KvPut,
  KvSynced,
  KvTruncated,
} from "#client/watch/event";
import { LazyItem } from "./item";

/** A change of one item. */
abstract class ItemChange<out T> implements ChangeOrigin {
  /** The key without the collection's prefix. */
  readonly id: string;
  readonly revision: number;
  readonly cause: ChangeCause;
  readonly requestId: string | undefined;
  readonly time: Date;
  readonly #previous: LazyItem<T> | undefined;

  constructor(change: KvPut | KvDelete, prefix: string, codec: Codec<T, never>) {
    this.id = change.key.slice(prefix.length);
    this.revision = change.revision;
    this.cause = change.cause;
    this.requestId = change.requestId;
    this.time = change.time;
    this.#previous =
      change.previous === undefined ? undefined : new LazyItem(this.id, change.previous, codec);
  }

  /**
   * The value before it, where that was asked for (`previous: true`) and there was one.
   *
   * @throws QuorateError INVALID_ARGUMENT that names the key, when the codec refuses the stored bytes
   */
  get previous(): T | undefined {
    return this.#previous?.value;
  }
}

/** A value was written. */
export class CollectionPut<out T> extends ItemChange<T> {
  readonly kind = "put";
  readonly #item: LazyItem<T>;

  constructor(change: KvPut, prefix: string, codec: Codec<T, never>) {
    super(change, prefix, codec);
    this.#item = new LazyItem(this.id, change.record, codec);
  }

  get record(): KvRecord {
    return this.#item.record;
  }

  /** @throws QuorateError INVALID_ARGUMENT that names the key, when the codec refuses the stored bytes */
  get value(): T {
    return this.#item.value;
  }
}

/** A value was deleted. */
export class CollectionDelete<out T> extends ItemChange<T> {
  readonly kind = "delete";
}

/** An item that was there when a watch with `currentState` began. */
export class CollectionCurrent<out T> extends LazyItem<T> {
  readonly kind = "current";
}

/** What a watch of a collection tells. A value is read when it is asked for: one that cannot be read ends no watch. */
export type CollectionEvent<T> =
  | CollectionPut<T>
  | CollectionDelete<T>
  | KvTruncated
  | CollectionCurrent<T>
  | KvSynced;

/** The event with what the codec makes of it. @throws QuorateError INVALID_ARGUMENT for a key that is not text */
export function typedEvent<T>(event: KvEvent, prefix: string, codec: Codec<T, never>): CollectionEvent<T> {
  switch (event.kind) {
    case "put":
      return new CollectionPut(event, prefix, codec);
    case "delete":
      return new CollectionDelete(event, prefix, codec);
    case "current":
      return new CollectionCurrent(toText(event.record.keyBytes).slice(prefix.length), event.record, codec);
    case "truncated":
    case "synced":
      return event;
  }
}
