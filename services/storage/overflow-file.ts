import { closeSync, openSync, readSync, unlinkSync, write } from "node:fs";
import { assert } from "#std";

/** For as long as it takes to open it. LevelDB passes over names that it does not know. */
export const OVERFLOW_FILE_NAME = "overflow";

/** A block is written in one go. */
const BLOCK_BYTES_MAX = 256 * 1024;
const BLOCKS_MIN = 8;
/** One is filled while the others are being written; fewer than there are, so that no two of them lie at one place. */
const BLOCKS_IN_MEMORY_MAX = 3;
/** What places count. */
const UNIT_BYTES = 16;
/** Read at once, which is all of most: what is longer takes a second read. */
const READ_BYTES = 1024;

interface Block {
  /** In units, of all that was ever written. */
  readonly start: number;
  readonly bytes: Buffer;
}

/**
 * A ring of bytes in a file that has no name: the system keeps of it in memory what there is room for, and it is gone with
 * the process. What was appended can be read until the ring has come round; a file that cannot be written or read has nothing.
 *
 * A place is where something was appended, in units of 16 bytes since the begin and modulo 2^32; never 0. Something else
 * may lie there by now: what is appended says its place, and who reads compares it.
 */
export class OverflowFile {
  /** Powers of two, so that places lie where they lay when they begin anew at 2^32. */
  private readonly blockCount: number;
  private readonly blockUnits: number;
  private readonly blockBytes: number;
  private fd: number | null = null;
  private hasEnded = false;
  private filling: Block | null = null;
  private filledUnits = 0;
  private readonly beingWritten: Block[] = [];
  private readonly spare: Buffer[] = [];
  /** Of the next block. */
  private nextStart = 0;
  private scratch = Buffer.alloc(0);
  private onIdle: () => void = () => undefined;
  private closing: Promise<void> | null = null;

  /** @param bytesMax of the ring: of that, the greatest power of two is taken that is no more; below 256 there is nothing */
  constructor(
    private readonly path: string,
    bytesMax: number,
  ) {
    const ringBytes = 2 ** Math.floor(Math.log2(Math.max(1, bytesMax)));
    this.blockBytes = Math.min(BLOCK_BYTES_MAX, ringBytes / BLOCKS_MIN);
    this.blockCount = ringBytes / this.blockBytes;
    this.blockUnits = this.blockBytes / UNIT_BYTES;
    this.hasEnded = this.blockUnits < 2;
  }

  /** Whether there is nothing in it, for good. */
  get isEnded(): boolean {
    return this.hasEnded;
  }

  /** Room for so many bytes at a place that is said; null where the disk is behind, or the file ended. To be filled at once. */
  append(wantedBytes: number): { readonly place: number; readonly memory: Buffer } | null {
    if (this.hasEnded || wantedBytes > this.blockBytes - UNIT_BYTES) return null;
    const wantedUnits = Math.ceil(wantedBytes / UNIT_BYTES);
    if (this.filling !== null && this.filledUnits + wantedUnits > this.blockUnits)
      this.writeBlock(this.filling);
    const block = this.filling ?? this.beginBlock();
    if (block === null) return null;
    const from = this.filledUnits * UNIT_BYTES;
    const place = (block.start + this.filledUnits) >>> 0;
    this.filledUnits += wantedUnits;
    return { place, memory: block.bytes.subarray(from, from + wantedBytes) };
  }

  /** Whether the ring has come round since, so that something else lies there, or soon will. */
  isGone(place: number): boolean {
    return this.ageOf(place) > this.blockCount * this.blockUnits;
  }

  /** How far the ring has come since, in units. */
  ageOf(place: number): number {
    return ((this.nextStart >>> 0) - place) >>> 0;
  }

  /**
   * What lies at a place, from there on so many bytes at least as `lengthOf` says by the first 1,024, or fewer where there
   * are no more; null where it is gone. Valid until the next read or append.
   */
  read(place: number, lengthOf: (bytes: Buffer) => number): Buffer | null {
    if (this.hasEnded || this.isGone(place)) return null;
    const blockPlace = place - (place % this.blockUnits);
    const inBlock = (place % this.blockUnits) * UNIT_BYTES;
    const held = this.heldBlock(blockPlace);
    if (held !== null) return held.bytes.subarray(inBlock);
    const { fd } = this;
    if (fd === null) return null;
    const position = ((blockPlace / this.blockUnits) % this.blockCount) * this.blockBytes + inBlock;
    const most = this.blockBytes - inBlock;
    const first = this.readAt(fd, position, Math.min(READ_BYTES, most));
    if (first === null) return null;
    const wanted = Math.min(lengthOf(first), most);
    return wanted <= first.length ? first : this.readAt(fd, position, wanted);
  }

  /** Ends it; resolves when nothing is being written any more. Safe to call twice. */
  close(): Promise<void> {
    this.closing ??= this.beingWritten.length === 0 ? Promise.resolve() : this.idle();
    this.end();
    return this.closing;
  }

  private idle(): Promise<void> {
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }

  private heldBlock(blockPlace: number): Block | null {
    if (this.filling !== null && this.filling.start >>> 0 === blockPlace) return this.filling;
    return this.beingWritten.find(({ start }) => start >>> 0 === blockPlace) ?? null;
  }

  private readAt(fd: number, position: number, bytes: number): Buffer | null {
    if (this.scratch.length < bytes) this.scratch = Buffer.allocUnsafeSlow(bytes);
    try {
      const count = readSync(fd, this.scratch, 0, bytes, position);
      return this.scratch.subarray(0, count);
    } catch {
      this.end();
      return null;
    }
  }

  private beginBlock(): Block | null {
    if (this.beingWritten.length >= BLOCKS_IN_MEMORY_MAX - 1 || !this.open()) return null;
    const bytes = this.spare.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes);
    this.filling = { start: this.nextStart, bytes };
    this.nextStart += this.blockUnits;
    // No place is 0.
    this.filledUnits = this.filling.start >>> 0 === 0 ? 1 : 0;
    return this.filling;
  }

  private writeBlock(block: Block): void {
    const { fd } = this;
    assert(fd !== null, "a block is begun when the file is open");
    this.filling = null;
    this.beingWritten.push(block);
    const position = ((block.start / this.blockUnits) % this.blockCount) * this.blockBytes;
    write(fd, block.bytes, 0, this.blockBytes, position, (failure, count) => {
      this.beingWritten.splice(this.beingWritten.indexOf(block), 1);
      if (failure !== null || count !== this.blockBytes) this.end();
      else this.spare.push(block.bytes);
      if (this.hasEnded && this.beingWritten.length === 0) this.closeFile();
    });
  }

  /** Whether it is. */
  private open(): boolean {
    if (this.fd !== null) return true;
    try {
      this.fd = openSync(this.path, "w+", 0o600);
      unlinkSync(this.path);
      return true;
    } catch {
      this.end();
      return false;
    }
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.filling = null;
    this.spare.length = 0;
    if (this.beingWritten.length === 0) this.closeFile();
  }

  /** Not before: the number of a file that is being written must not become another's. */
  private closeFile(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
    this.onIdle();
  }
}
