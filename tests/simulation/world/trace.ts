/** What happened, as lines: always a digest of them all, and their text when it is wanted. */
export class Trace {
  private high = 0x811c9dc5;
  private low = 0x9dc5811c;
  private count = 0;

  /** @param sink takes each line as it comes, with its line break */
  constructor(private readonly sink: ((line: string) => void) | null) {}

  get lines(): number {
    return this.count;
  }

  /** Of all lines so far, as 16 hex digits: equal for equal traces, and hardly ever for different ones. */
  get digest(): string {
    return hex(this.high) + hex(this.low);
  }

  note(timeUs: number, line: string): void {
    this.count += 1;
    // Two lanes of FNV-1a; a digest from outside would cost a copy of every line.
    let high = Math.imul(this.high ^ timeUs, 0x01000193);
    let low = Math.imul(this.low ^ (timeUs / 2 ** 32), 0x5bd1e995);
    for (let at = 0; at < line.length; at += 1) {
      const code = line.charCodeAt(at);
      high = Math.imul(high ^ code, 0x01000193);
      low = Math.imul(low ^ code, 0x5bd1e995);
      low ^= low >>> 15;
    }
    this.high = high;
    this.low = low;
    this.sink?.(`${secondsText(timeUs)} ${line}\n`);
  }
}

/** Such as "12.034500". */
export function secondsText(timeUs: number): string {
  const seconds = Math.floor(timeUs / 1_000_000);
  return `${seconds}.${String(timeUs - seconds * 1_000_000).padStart(6, "0")}`;
}

function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, "0");
}
