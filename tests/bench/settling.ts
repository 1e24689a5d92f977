import type { Contender, ContenderName } from "./contender";

/** Written by all members together in a window: what goes on while nobody calls them (heartbeats, clocks) is far below. */
const CALM_BYTES_MAX = 1_000_000;
const WINDOW_MS = 1000;
/** So many in a row, for between two merges there is a pause. */
const CALM_WINDOWS = 2;

/** How a cluster came to rest after it was loaded. */
export interface Settling {
  readonly store: ContenderName;
  /** From the end of all loading on. */
  readonly seconds: number;
  /** Written to disk meanwhile by its members, in bytes. */
  readonly diskBytes: number;
  /** Whether the time was over first. */
  readonly gaveUp: boolean;
}

/**
 * Waits until the members of a cluster hardly write to their disks any more: a store merges what was loaded long after
 * the last put was acknowledged, and what is measured meanwhile tells of the loading too.
 *
 * @param waitMs resolves after so many milliseconds
 */
export async function settle(
  contender: Pick<Contender, "name" | "probe">,
  secondsMax: number,
  waitMs = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
): Promise<Settling> {
  const written = async () =>
    Object.values((await contender.probe()).processes).reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  const atFirst = await written();
  let last = atFirst;
  let calmWindows = 0;
  let windows = 0;
  while (calmWindows < CALM_WINDOWS && (windows + 1) * WINDOW_MS <= secondsMax * 1000) {
    await waitMs(WINDOW_MS);
    windows += 1;
    const now = await written();
    calmWindows = now - last <= CALM_BYTES_MAX ? calmWindows + 1 : 0;
    last = now;
  }
  return {
    store: contender.name,
    seconds: (windows * WINDOW_MS) / 1000,
    diskBytes: last - atFirst,
    gaveUp: calmWindows < CALM_WINDOWS,
  };
}
