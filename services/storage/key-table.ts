import { bytesEqual } from "#std";
import type { KeySpace } from "./key-hash";

const SLOTS_MIN = 64;

/**
 * A map from keys to values without a text for each: who asks brings the keyHash. In the order in which the keys came
 * first. Nothing is ever removed.
 */
export class KeyTable<Value> {
  readonly values: Value[] = [];
  private readonly hashes: number[] = [];
  private readonly spaces: KeySpace[] = [];
  private readonly keys: Uint8Array[] = [];
  /** A position and one, or 0; twice as many as keys at least. */
  private slots = new Int32Array(SLOTS_MIN);

  get(hash: number, space: KeySpace, key: Uint8Array): Value | undefined {
    const at = (this.slots[this.slotOf(hash, space, key)] as number) - 1;
    return at < 0 ? undefined : this.values[at];
  }

  set(hash: number, space: KeySpace, key: Uint8Array, value: Value): void {
    const slot = this.slotOf(hash, space, key);
    const at = (this.slots[slot] as number) - 1;
    if (at >= 0) {
      this.values[at] = value;
      return;
    }
    this.values.push(value);
    this.hashes.push(hash);
    this.spaces.push(space);
    this.keys.push(key);
    this.slots[slot] = this.values.length;
    if (this.values.length * 2 > this.slots.length) this.grow();
  }

  /** That of the key, or the free one where it belongs. */
  private slotOf(hash: number, space: KeySpace, key: Uint8Array): number {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const at = (this.slots[slot] as number) - 1;
      if (at < 0) return slot;
      if (this.hashes[at] === hash && this.isOf(at, space, key)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  private isOf(at: number, { namespaceId, generation }: KeySpace, key: Uint8Array): boolean {
    const space = this.spaces[at] as KeySpace;
    if (space.namespaceId !== namespaceId || space.generation !== generation) return false;
    return bytesEqual(this.keys[at] as Uint8Array, key);
  }

  private grow(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const mask = slots.length - 1;
    for (let at = 0; at < this.hashes.length; at += 1) {
      let slot = (this.hashes[at] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = at + 1;
    }
    this.slots = slots;
  }
}
