import { close, constants, fdatasync, fsync, ftruncate, open, readSync, write } from "node:fs";
import { readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./durable-file";

/** The directory of a log, as far as the log needs it. Rejects with errors of the file system. */
export interface LogDisk {
  /** Of all files. */
  names(): Promise<readonly string[]>;
  /** All of a file. */
  read(name: string): Promise<Uint8Array>;
  /** Makes a file that is not there, with zeros behind its bytes; durable, its name included, when it resolves. */
  create(name: string, bytes: Uint8Array, sizeBytes: number): Promise<LogFile>;
  open(name: string): Promise<LogFile>;
  /** Not durable: a crash may bring the file back. */
  remove(name: string): Promise<void>;
}

/** An open file of a log. */
export interface LogFile {
  /** Writes all of it at an offset; durable when it resolves. The bytes may not change until then. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Cuts the file off, or makes it longer by zeros that take no space; durable when it resolves. */
  resize(bytes: number): Promise<void>;
  /** Fewer bytes where the file ends. Throws errors of the file system. */
  read(offset: number, length: number): Uint8Array;
  close(): Promise<void>;
}

/**
 * With this flag a write is a write and an fdatasync in one call (open(2)), so one trip to the thread pool and one turn
 * of the event loop less than with both. Elsewhere than on Linux it may leave the bytes in the cache of the drive.
 */
const WRITES_ARE_SYNCED = process.platform === "linux";
const ACCESS = constants.O_RDWR | (WRITES_ARE_SYNCED ? constants.O_DSYNC : 0);

export class DirectoryLogDisk implements LogDisk {
  constructor(private readonly path: string) {}

  async names(): Promise<readonly string[]> {
    const found = await readdir(this.path, { withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  async read(name: string): Promise<Uint8Array> {
    const { buffer, byteOffset, length } = await readFile(join(this.path, name));
    return new Uint8Array(buffer, byteOffset, length);
  }

  async create(name: string, bytes: Uint8Array, sizeBytes: number): Promise<LogFile> {
    const file = await this.opened(name, ACCESS | constants.O_CREAT | constants.O_EXCL);
    try {
      await file.write(bytes, 0);
      if (sizeBytes > bytes.length) await file.resize(sizeBytes);
      await syncDirectory(this.path);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  open(name: string): Promise<LogFile> {
    return this.opened(name, ACCESS);
  }

  remove(name: string): Promise<void> {
    return unlink(join(this.path, name));
  }

  private async opened(name: string, flags: number): Promise<LogFile> {
    const descriptor = await new Promise<number>((resolve, reject) => {
      open(join(this.path, name), flags, 0o644, (error, fd) =>
        error === null ? resolve(fd) : reject(error),
      );
    });
    return new DescriptorFile(descriptor);
  }
}

/** By descriptor and callback: a FileHandle costs the main thread twice as much a write. */
class DescriptorFile implements LogFile {
  constructor(private readonly descriptor: number) {}

  write(bytes: Uint8Array, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // The system may write less than it was asked to, as it does when a disk runs full.
      const writeFrom = (from: number): void => {
        write(this.descriptor, bytes, from, bytes.length - from, offset + from, (error, count) => {
          if (error !== null) reject(error);
          else if (count === 0) reject(new Error("nothing of it was written"));
          else if (from + count < bytes.length) writeFrom(from + count);
          else if (WRITES_ARE_SYNCED) resolve();
          else fdatasync(this.descriptor, (failed) => (failed === null ? resolve() : reject(failed)));
        });
      };
      writeFrom(0);
    });
  }

  async resize(bytes: number): Promise<void> {
    await done((callback) => ftruncate(this.descriptor, bytes, callback));
    await done((callback) => fsync(this.descriptor, callback));
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const count = readSync(this.descriptor, bytes, 0, length, offset);
    return bytes.subarray(0, count);
  }

  close(): Promise<void> {
    return done((callback) => close(this.descriptor, callback));
  }
}

function done(run: (callback: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    run((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
