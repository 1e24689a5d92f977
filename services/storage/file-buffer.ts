import { open } from "node:fs/promises";

/** Memory is taken in steps of this, so that files of nearly one length need no other. */
const STEP_BYTES = 1024 * 1024;

/** Reads one file after another into the same memory: many large ones leave nothing behind that way. */
export class FileBuffer {
  private memory = new Uint8Array(0);

  /** The content of a file, until the next one is read. */
  async read(path: string): Promise<Uint8Array> {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (this.memory.length < size) {
        this.memory = new Uint8Array(Math.ceil(size / STEP_BYTES) * STEP_BYTES);
      }
      let length = 0;
      while (length < size) {
        const { bytesRead } = await file.read(this.memory, length, size - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return this.memory.subarray(0, length);
    } finally {
      await file.close();
    }
  }
}
