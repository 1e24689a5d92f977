import type { Session } from "./session";

/** Writes one line of JSON to standard output. */
export async function writeJson(session: Session, value: unknown): Promise<void> {
  await session.terminal.out(`${JSON.stringify(value)}\n`);
}
