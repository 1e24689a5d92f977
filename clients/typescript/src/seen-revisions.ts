const DEFAULT_NAMESPACE = "default";

/** The highest revision of each namespace that this client has seen, in whatever reply. */
export class SeenRevisions {
  readonly #highest = new Map<string, number>();

  /** Takes note of a revision that a reply named. */
  note(namespace: string, revision: number): void {
    if (revision > this.of(namespace)) this.#highest.set(namespace || DEFAULT_NAMESPACE, revision);
  }

  /** The highest one, 0 before any. */
  of(namespace: string): number {
    return this.#highest.get(namespace || DEFAULT_NAMESPACE) ?? 0;
  }
}
