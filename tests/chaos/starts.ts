/** So short that who was away, or is new, needs a snapshot. */
const SHORT_LOG = ["--log-entries-max", "400", "--log-entries-kept", "50"];

/** Compared this often, so that what differs is found while a fault is held. */
const VERIFY_INTERVAL_MS = 1000;

/** More than any disk has free. */
const FLOOR_BYTES = 2 ** 52;

/** With which arguments nodes are started, which faults change. */
export class Starts {
  /** The nodes that are told at their next start that there should be more free space than there can be. */
  readonly withoutSpace = new Set<number>();

  readonly argvOf = (node: number): readonly string[] => [
    ...SHORT_LOG,
    "--verify-interval-ms",
    String(VERIFY_INTERVAL_MS),
    "--free-bytes-min",
    String(this.withoutSpace.has(node) ? FLOOR_BYTES : 0),
  ];
}
