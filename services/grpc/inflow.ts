/**
 * As much as a node queues of writes that are whole, or two of the longest messages: who has more under way at once would be told
 * to come back when they are whole, too.
 */
export function inflowBytesMaxFor(messageBytesMax: number): number {
  return Math.max(64 * 1024 * 1024, 2 * messageBytesMax);
}

/**
 * What is kept of the requests of one connection: of those that are not whole, or wait for who reads them, and the headers of all.
 * A window bounds each, and all together come to thousands of times that.
 */
export class Inflow {
  readonly bytesMax: number;
  private keptBytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @param bytes below 0 for what is no longer kept @returns whether there is room for it, which is counted in any case */
  keep(bytes: number): boolean {
    this.keptBytes += bytes;
    return bytes <= 0 || this.keptBytes <= this.bytesMax;
  }
}
