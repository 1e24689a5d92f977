import type { Socket } from "node:net";

/** How long the other side may take to close a connection that has ended, once it has taken what was said on it. */
const CLOSING_MS = 1000;

/**
 * What was said on a connection leaves, and then the other side may close it; neither for as long as that likes.
 *
 * @param socket one that was ended
 * @param leavingMs how long it may take until all was taken
 */
export function linger(socket: Socket, leavingMs: number): void {
  const destroy = (): void => {
    socket.destroy();
  };
  socket.once("finish", () => setTimeout(destroy, CLOSING_MS).unref());
  setTimeout(destroy, leavingMs).unref();
}
