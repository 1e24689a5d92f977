import { Presets, SingleBar } from "cli-progress";
import type { Terminal } from "./terminal";

/** Tells a person how far a long command is; silent where nobody watches. */
export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** A bar on standard error. @param unit what is counted, such as "records" */
export function progressOf(terminal: Terminal, total: number, unit: string): Progress {
  if (!terminal.isWatched) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar(
    {
      format: `{bar} {percentage}% {value}/{total} ${unit}, {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}
