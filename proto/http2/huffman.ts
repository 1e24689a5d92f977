import { ConnectionError, errorCode } from "./frames";

/**
 * How many bits stand for each byte (RFC 7541, appendix B). The code is canonical, so they say what it is: codes of one length
 * follow each other in the order of bytes, shorter ones come first. Behind all of them are 30 ones, which end a text.
 */
const BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const END_OF_TEXT = 256;
const END_BITS = 30;
const SYMBOLS = BITS.length + 1;

/** Four bits at a time: where they lead from each inner node of the tree, and the byte that they complete, if any. */
interface Steps {
  /** The next node; DEAD where no text has such bits. */
  readonly next: Int16Array;
  /** A byte, or NOTHING. */
  readonly byte: Int16Array;
  /** Whether a text may end there: less than a byte of ones is left over. */
  readonly mayEnd: Uint8Array;
}

const DEAD = -1;
const NOTHING = -1;

/** Made when it is first needed. */
let steps: Steps | null = null;

/** Decoded, with each byte as one character. Throws a ConnectionError. */
export function huffmanDecoded(bytes: Buffer, start: number, end: number): string {
  steps ??= makeSteps();
  const { next, byte, mayEnd } = steps;
  // The shortest code has 5 bits.
  const bytesMax = Math.floor(((end - start) * 8) / 5);
  if (scratch.length < bytesMax) scratch = Buffer.allocUnsafeSlow(bytesMax);
  let length = 0;
  let node = 0;
  for (let at = start; at < end; at += 1) {
    const both = bytes[at] as number;
    for (let step = node * 16 + (both >> 4), half = 0; ; half += 1) {
      const made = byte[step] as number;
      if (made !== NOTHING) scratch[length++] = made;
      node = next[step] as number;
      if (node === DEAD) throw malformed();
      if (half === 1) break;
      step = node * 16 + (both & 15);
    }
  }
  if (mayEnd[node] === 0) throw malformed();
  return scratch.toString("latin1", 0, length);
}

let scratch = Buffer.allocUnsafeSlow(1024);

function makeSteps(): Steps {
  const { children } = makeTree();
  const nodes = children.length / 2;
  const next = new Int16Array(nodes * 16);
  const byte = new Int16Array(nodes * 16).fill(NOTHING);
  for (let from = 0; from < nodes; from += 1) {
    for (let bits = 0; bits < 16; bits += 1) {
      let node = from;
      for (let mask = 8; mask > 0 && node !== DEAD; mask >>= 1) {
        const child = children[node * 2 + ((bits & mask) === 0 ? 0 : 1)] as number;
        // No code is shorter than five bits, so four of them complete one byte at most.
        if (child >= 0) node = child;
        else if (leafSymbol(child) === END_OF_TEXT) node = DEAD;
        else {
          byte[from * 16 + bits] = leafSymbol(child);
          node = 0;
        }
      }
      next[from * 16 + bits] = node;
    }
  }
  const mayEnd = new Uint8Array(nodes);
  for (let node = 0, ones = 0; ones < 8; ones += 1) {
    mayEnd[node] = 1;
    node = children[node * 2 + 1] as number;
  }
  return { next, byte, mayEnd };
}

/** The two children of each inner node, the root first: another one, or a leaf. */
function makeTree(): { readonly children: number[] } {
  const children = [0, 0];
  const symbols = Array.from({ length: SYMBOLS }, (_, symbol) => symbol).sort(
    (one, other) => bitsOf(one) - bitsOf(other) || one - other,
  );
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    code *= 2 ** (bitsOf(symbol) - length);
    length = bitsOf(symbol);
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit -= 1) {
      const slot = node * 2 + (Math.floor(code / 2 ** bit) % 2);
      if (bit === 0) children[slot] = leaf(symbol);
      else if (children[slot] === 0) {
        children[slot] = children.length / 2;
        children.push(0, 0);
      }
      node = children[slot] as number;
    }
    code += 1;
  }
  return { children };
}

function bitsOf(symbol: number): number {
  return BITS[symbol] ?? END_BITS;
}

function leaf(symbol: number): number {
  return -1 - symbol;
}

function leafSymbol(child: number): number {
  return -1 - child;
}

function malformed(): ConnectionError {
  return new ConnectionError(errorCode.compression, "a text is no Huffman code");
}
