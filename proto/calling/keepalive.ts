/** A connection as it is probed. */
export interface Probed {
  readonly destroyed: boolean;
  /** @param why in words */
  destroy(why: string): void;
  /** @param answered called when the other side has answered */
  ping(answered: () => void): unknown;
  once(event: "close", run: () => void): unknown;
}

export interface KeepaliveTimes {
  /** How often a connection is probed. */
  readonly timeMs: number;
  /** How long it may leave a probe unanswered. */
  readonly timeoutMs: number;
}

/**
 * Probes a connection as long as it lasts, and ends it, with what is under way on it, when the other side stays silent.
 *
 * @param isNeeded whether a probe that is due is to be sent; by default each is
 */
export function keepAlive(
  connection: Probed,
  { timeMs, timeoutMs }: KeepaliveTimes,
  isNeeded: () => boolean = () => true,
): void {
  let patience: NodeJS.Timeout | undefined;
  // A turn later: where this process itself stalled, the answer may lie in the socket, which is read between.
  const giveUp = (): void => {
    if (patience !== undefined) connection.destroy("a probe was left unanswered");
  };
  const probe = (): void => {
    if (connection.destroyed || patience !== undefined || !isNeeded()) return;
    patience = setTimeout(() => setImmediate(giveUp), timeoutMs).unref();
    connection.ping(() => {
      clearTimeout(patience);
      patience = undefined;
    });
  };
  const timer = setInterval(probe, timeMs).unref();
  connection.once("close", () => {
    clearInterval(timer);
    clearTimeout(patience);
  });
}
