import { createInterface } from "node:readline";

/** Lines that are typed, or come from a file. */
export interface LineReader {
  /** The next line; null at the end of the input. @param prompt shown where a person types */
  next(prompt: string): Promise<string | null>;
  close(): void;
}

/** How lines are read. */
export interface LineReaderOptions {
  /** Lines of earlier, oldest first. */
  readonly history: readonly string[];
  complete(line: string): Promise<{ readonly candidates: readonly string[]; readonly typed: string }>;
}

/** What a command sees of the process it runs in. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether standard error is watched by a person. */
  readonly isWatched: boolean;
  /** Whether standard output is a screen, on which one text can be written over another. */
  readonly isScreen: boolean;
  /** Whether a person types into standard input. */
  readonly isInteractive: boolean;
  /** Writes to standard output; resolves when more may follow. */
  out(data: string | Uint8Array): Promise<void>;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** All of standard input. */
  readInput(): Promise<Uint8Array>;
  /** Standard input line by line. */
  lines(options: LineReaderOptions): LineReader;
}

/** The process's own input, output and environment. */
export const processTerminal: Terminal = {
  environment: process.env,
  isWatched: process.stderr.isTTY === true,
  isScreen: process.stdout.isTTY === true,
  isInteractive: process.stdin.isTTY === true,
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
  lines: (options) => readLines(options),
};

function readLines({ history, complete }: LineReaderOptions): LineReader {
  const isInteractive = process.stdin.isTTY === true;
  const reader = createInterface({
    input: process.stdin,
    ...(isInteractive ? { output: process.stdout } : {}),
    terminal: isInteractive,
    // readline keeps the newest first.
    history: history.toReversed(),
    historySize: 1000,
    removeHistoryDuplicates: true,
    completer(line: string, done: (error: null, found: [string[], string]) => void): void {
      void complete(line).then(({ candidates, typed }) => done(null, [[...candidates], typed]));
    },
  });
  const waiting: string[] = [];
  let isClosed = false;
  let wake = (): void => undefined;
  // While a line is carried out the terminal is as any command finds it, so Ctrl-C is a signal for what runs, and for the
  // programs that it started. It never ends us.
  const setAsking = (isAsking: boolean): void => {
    if (isInteractive && !isClosed) process.stdin.setRawMode(isAsking);
  };
  const surviveInterrupt = (): void => {
    // Behind the ^C that the terminal shows.
    process.stdout.write("\n");
  };
  if (isInteractive) process.on("SIGINT", surviveInterrupt);
  reader.on("line", (line) => {
    waiting.push(line);
    reader.pause();
    setAsking(false);
    wake();
  });
  reader.on("close", () => {
    isClosed = true;
    process.removeListener("SIGINT", surviveInterrupt);
    wake();
  });
  // Ctrl-C gives up the line that is being typed, and an empty one ends it all, as Ctrl-D does.
  reader.on("SIGINT", () => {
    if (reader.line === "") reader.close();
    else reader.write(null, { ctrl: true, name: "u" });
  });
  return {
    async next(prompt) {
      for (;;) {
        const line = waiting.shift();
        if (line !== undefined) return line;
        if (isClosed) return null;
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        reader.setPrompt(prompt);
        setAsking(true);
        if (isInteractive) reader.prompt();
        else reader.resume();
        await changed;
      }
    },
    close: () => reader.close(),
  };
}
