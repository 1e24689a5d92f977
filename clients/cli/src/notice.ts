import type { Terminal } from "./terminal";

/** Says a line to whoever waits once this takes longer than `delayMs`, and nothing where it does not. */
export async function withNotice<T>(
  terminal: Pick<Terminal, "err">,
  { delayMs, line }: { readonly delayMs: number; readonly line: string },
  waited: Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => terminal.err(line), delayMs);
  try {
    return await waited;
  } finally {
    clearTimeout(timer);
  }
}
