/** What a command sees of the process it runs in. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether standard error is watched by a person. */
  readonly isWatched: boolean;
  /** Writes to standard output; resolves when more may follow. */
  out(data: string | Uint8Array): Promise<void>;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** All of standard input. */
  readInput(): Promise<Uint8Array>;
}

/** The process's own input, output and environment. */
export const processTerminal: Terminal = {
  environment: process.env,
  isWatched: process.stderr.isTTY === true,
  out: (data) =>
    new Promise((resolve, reject) => {
      process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
    }),
  err(line) {
    process.stderr.write(`${line}\n`);
  },
  async readInput() {
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    return Buffer.concat(parts);
  },
};
