import { bytesEqual } from "#std";
import { byteKey } from "./byte-key";

interface Entry<Value> {
  readonly key: Uint8Array;
  value: Value;
}

/**
 * A map by the bytes of keys. A text for each key takes a microsecond where keys are long; a hash of 32 bits does not, and
 * most keys of a map have one of their own. Whoever knows the hash finds keys that share one: of those all but the first
 * are told apart by their texts, so the worst that they can do is cost what texts cost.
 */
export class KeyMap<Value> {
  private readonly byHash = new Map<number, Entry<Value>>();
  /** By byteKey: those whose hash another has. */
  private byText: Map<string, Value> | null = null;
  /** A command asks for a key, and then puts it: mostly by the same array. */
  private lastKey: Uint8Array | null = null;
  private lastHash = 0;

  constructor(private readonly hash: (key: Uint8Array) => number = wordHash) {}

  get(key: Uint8Array): Value | undefined {
    const entry = this.byHash.get(this.hashOf(key));
    if (entry === undefined) return undefined;
    return isOf(entry, key) ? entry.value : this.byText?.get(byteKey(key));
  }

  /** @param key may not be changed from then on */
  set(key: Uint8Array, value: Value): void {
    const hash = this.hashOf(key);
    const entry = this.byHash.get(hash);
    if (entry === undefined) {
      this.byHash.set(hash, { key, value });
    } else if (isOf(entry, key)) {
      entry.value = value;
    } else {
      this.byText ??= new Map();
      this.byText.set(byteKey(key), value);
    }
  }

  /** In no order. */
  *values(): Generator<Value> {
    for (const { value } of this.byHash.values()) yield value;
    if (this.byText !== null) yield* this.byText.values();
  }

  clear(): void {
    this.byHash.clear();
    this.byText = null;
  }

  private hashOf(key: Uint8Array): number {
    if (key !== this.lastKey) {
      this.lastKey = key;
      this.lastHash = this.hash(key);
    }
    return this.lastHash;
  }
}

function isOf({ key: own }: { readonly key: Uint8Array }, key: Uint8Array): boolean {
  return own === key || bytesEqual(own, key);
}

/** MurmurHash3 for 32 bits, four bytes at a time; signed, so that it is a small integer. */
function wordHash(key: Uint8Array): number {
  const { length } = key;
  let hash = length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const word =
      (key[at] as number) |
      ((key[at + 1] as number) << 8) |
      ((key[at + 2] as number) << 16) |
      ((key[at + 3] as number) << 24);
    hash = mixed(hash, word);
  }
  let rest = 0;
  for (; at < length; at += 1) rest = (rest << 8) | (key[at] as number);
  hash = mixed(hash, rest);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixed(hash: number, word: number): number {
  const once = Math.imul(word, 0xcc9e2d51);
  const turned = Math.imul((once << 15) | (once >>> 17), 0x1b873593);
  const mixture = hash ^ turned;
  return (Math.imul((mixture << 13) | (mixture >>> 19), 5) + 0xe6546b64) | 0;
}
