/**
 * Parts are put together until they come to this: each takes some 100 bytes besides its own, and a sender may make as many
 * as there are bytes.
 */
const PART_BYTES_MIN = 4096;

/** A part that is less than this share of the chunk that it views is copied, for it would keep all of that. */
const CHUNK_SHARE_MIN = 1 / 4;

/** What came in parts, and waits: it takes little more memory than it is long, whatever parts a sender made of it. */
export class KeptParts {
  private parts: Buffer[] = [];
  private bytes = 0;

  get length(): number {
    return this.bytes;
  }

  /** With those before it that are no longer than it, so that no byte is moved more often than a part can double. */
  push(part: Buffer): void {
    const { parts } = this;
    this.bytes += part.length;
    let kept = part;
    for (let before = parts.at(-1); before !== undefined; before = parts.at(-1)) {
      if (before.length > kept.length || before.length >= PART_BYTES_MIN) break;
      parts.pop();
      kept = Buffer.concat([before, kept]);
    }
    parts.push(kept === part ? keepable(part) : kept);
  }

  /** @returns what came first, in a piece of some length; null where there is nothing */
  shift(): Buffer | null {
    const first = this.parts.shift();
    if (first === undefined) return null;
    this.bytes -= first.length;
    return first;
  }

  /** @returns all of it, with what came last behind it; nothing is kept then */
  takeWith(last: Buffer): Buffer {
    const whole = Buffer.concat([...this.parts, last], this.bytes + last.length);
    this.clear();
    return whole;
  }

  clear(): void {
    this.parts = [];
    this.bytes = 0;
  }
}

/** What may be kept in place of a part of a chunk: a copy where the chunk is so much longer that it must not be kept with it. */
export function keepable(part: Buffer): Buffer {
  return part.length < part.buffer.byteLength * CHUNK_SHARE_MIN ? Buffer.from(part) : part;
}
