import type { Random } from "@quorate/services/std";
import type { LogDisk, LogFile } from "@quorate/services/storage";

const SECTOR_BYTES = 512;

/** A file as whoever reads it sees it, and as a loss of power would leave it; null where it would not be there. */
interface StoredFile {
  cached: Uint8Array;
  durable: Uint8Array | null;
}

export type Ending =
  /** The system goes on: what was written is there, the write that was under way up to some byte. */
  | "killed"
  /** What was not synced is there in part: any of the sectors of the write that was under way. */
  | "power lost"
  /** The write that was under way fails, and the system forgets that the disk does not have it. */
  | "write failed";

/**
 * A disk in memory that ends in the midst of any of its operations, with all that the disks of this world may leave then.
 * What is under way never ends for its caller, unless it fails.
 */
export class CrashingLogDisk {
  private files = new Map<string, StoredFile>();
  /** Removed, and not durably so. */
  private removed = new Map<string, Uint8Array>();
  private life = 0;
  private operationsLeft = Number.POSITIVE_INFINITY;
  private ending: Ending = "killed";
  private crashed: () => void = () => {};

  constructor(private readonly random: Random) {}

  /** It ends in the midst of the operation that comes after so many. @returns resolves when it has */
  endAfter(operations: number, ending: Ending): Promise<void> {
    this.operationsLeft = operations;
    this.ending = ending;
    return new Promise((resolve) => {
      this.crashed = resolve;
    });
  }

  /** Ends it between two operations. */
  endNow(ending: Ending): void {
    this.settle(ending);
  }

  /** The disk as it is used until it ends the next time. */
  mounted(): LogDisk {
    const life = this.life;
    return {
      names: async () => this.names(),
      read: async (name) => this.bytesOf(name).slice(),
      create: async (name, bytes, sizeBytes) => {
        if (this.files.has(name)) throw new Error(`${name} exists`);
        await this.operation(life, () => this.createInPart(name, bytes, sizeBytes));
        const stored = resized(bytes, Math.max(bytes.length, sizeBytes));
        this.files.set(name, { cached: stored, durable: stored });
        this.removed.clear();
        return this.handle(name, life);
      },
      open: async (name) => this.handle(name, life),
      remove: async (name) => {
        await this.operation(life, () => {});
        const { durable } = this.file(name);
        if (durable !== null) this.removed.set(name, durable);
        this.files.delete(name);
      },
    };
  }

  names(): readonly string[] {
    return [...this.files.keys()];
  }

  /** As whoever reads it sees them. */
  bytesOf(name: string): Uint8Array {
    return this.file(name).cached;
  }

  /** Changes a byte that is durable. */
  flipBit(name: string, offset: number): void {
    const file = this.file(name);
    file.cached[offset] = (file.cached[offset] as number) ^ (1 << this.random.below(8));
    file.durable = file.cached.slice();
  }

  private file(name: string): StoredFile {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`${name} is not there`);
    return file;
  }

  private handle(name: string, life: number): LogFile {
    const file = this.file(name);
    return {
      write: async (bytes, offset) => {
        await this.operation(life, () => this.tear(file, bytes, offset));
        put(file, bytes, offset);
        file.durable = placed(file.durable ?? new Uint8Array(), bytes, offset);
      },
      resize: async (length) => {
        await this.operation(life, () => {
          if (this.random.below(3) === 0) return;
          file.cached = resized(file.cached, length);
          if (this.random.below(2) === 0) file.durable = resized(file.durable ?? new Uint8Array(), length);
        });
        file.cached = resized(file.cached, length);
        file.durable = file.cached.slice();
      },
      read: (offset, length) => file.cached.slice(offset, offset + length),
      close: async () => {},
    };
  }

  /** Resolves unless the disk ends now, or has ended. @param interrupted what the operation leaves in that case */
  private async operation(life: number, interrupted: () => void): Promise<void> {
    await undefined;
    if (life !== this.life) return never();
    this.operationsLeft -= 1;
    if (this.operationsLeft >= 0) return;
    interrupted();
    const { ending } = this;
    this.settle(ending);
    this.crashed();
    if (ending === "write failed") throw Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    return never();
  }

  private settle(ending: Ending): void {
    this.life += 1;
    this.operationsLeft = Number.POSITIVE_INFINITY;
    if (ending !== "power lost") return;
    for (const [name, durable] of this.removed) {
      if (this.random.below(2) === 0) this.files.set(name, { cached: durable, durable });
    }
    this.removed.clear();
    for (const [name, file] of this.files) {
      if (file.durable === null) this.files.delete(name);
      else file.cached = file.durable.slice();
    }
  }

  /** The size comes when the bytes are durable. */
  private createInPart(name: string, bytes: Uint8Array, sizeBytes: number): void {
    const isWhole = this.random.below(2) === 0;
    const cached = isWhole ? bytes.slice() : bytes.slice(0, this.random.below(bytes.length + 1));
    const file: StoredFile = { cached, durable: isWhole ? cached : null };
    if (this.random.below(4) > 0) this.files.set(name, file);
    if (!isWhole) {
      if (this.random.below(2) > 0) this.store(file, cached, 0);
      return;
    }
    if (this.random.below(3) > 0) file.cached = resized(cached, Math.max(bytes.length, sizeBytes));
    if (this.random.below(2) > 0) file.durable = file.cached;
  }

  /** What the system has is a part from the start, or all; what the disk has, any sectors of it. */
  private tear(file: StoredFile, bytes: Uint8Array, offset: number): void {
    const isWhole = this.random.below(2) === 0;
    const cached = isWhole ? bytes : bytes.subarray(0, this.random.below(bytes.length + 1));
    put(file, cached, offset);
    if (this.random.below(4) > 0) this.store(file, cached, offset);
  }

  private store(file: StoredFile, bytes: Uint8Array, offset: number): void {
    file.durable ??= new Uint8Array();
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(SECTOR_BYTES - ((offset + at) % SECTOR_BYTES), bytes.length - at);
      if (this.random.below(2) === 0) {
        file.durable = placed(file.durable, bytes.subarray(at, at + length), offset + at);
      }
      at += length;
    }
  }
}

/** Zeros where nothing was. */
function resized(file: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(file.subarray(0, length));
  return result;
}

function put(file: StoredFile, bytes: Uint8Array, offset: number): void {
  file.cached = placed(file.cached, bytes, offset);
}

function placed(file: Uint8Array, bytes: Uint8Array, offset: number): Uint8Array {
  const result = resized(file, Math.max(file.length, offset + bytes.length));
  result.set(bytes, offset);
  return result;
}

function never(): Promise<never> {
  return new Promise(() => {});
}
