import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Where an import or export stands, kept in a small file so that an interrupted one goes on where it was. */
export class ResumeFile<State extends object> {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** What was kept last; null when there is nothing, or nothing that can be read. */
  read(): Partial<State> | null {
    try {
      const kept: unknown = JSON.parse(readFileSync(this.path, "utf8"));
      return typeof kept === "object" ? (kept as Partial<State> | null) : null;
    } catch (error) {
      // A damaged note is worth as much as none: the work begins anew, and doing it twice does no harm.
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** Replaces what was kept. */
  write(state: State): void {
    const draft = `${this.path}.draft`;
    writeFileSync(draft, `${JSON.stringify(state)}\n`);
    renameSync(draft, this.path);
  }

  /** The work is finished. */
  remove(): void {
    rmSync(this.path, { force: true });
  }
}
