import { seededRandom } from "@quorate/services/std";
import type { SubjectClient } from "./subject";

export const VALUE_BYTES = 256;

const LOAD_IN_FLIGHT = 256;

/** The number of a value stands in its first four bytes. */
export function numberedValue(number: number): Uint8Array {
  const value = Buffer.alloc(VALUE_BYTES, 0x2e);
  value.writeUInt32BE(number, 0);
  return value;
}

export function numberOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0);
}

/** Keys of 16 bytes. */
export function keyOf(prefix: string, number: number): string {
  return `${prefix}${number.toString().padStart(16 - prefix.length, "0")}`;
}

/** How often a write is made at most that a machine with other work did not get to in time. */
const ATTEMPTS_MAX = 5;

/** Writes `keys` keys with values that do not compress. How long that takes is not what is measured. */
export async function load(client: SubjectClient, prefix: string, keys: number): Promise<void> {
  const random = seededRandom(1);
  const values = Array.from({ length: 64 }, () =>
    Uint8Array.from({ length: VALUE_BYTES }, () => random.below(256)),
  );
  let next = 0;
  const writer = async () => {
    for (let at = next++; at < keys; at = next++)
      await putAtLast(client, keyOf(prefix, at), values[at % values.length] as Uint8Array);
  };
  await Promise.all(Array.from({ length: LOAD_IN_FLIGHT }, writer));
}

async function putAtLast(client: SubjectClient, key: string, value: Uint8Array): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.put(key, value);
      return;
    } catch (failure) {
      if (attempt === ATTEMPTS_MAX) throw failure;
    }
  }
}
