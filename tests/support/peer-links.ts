import { Link, type LinkFault } from "./link";

/** One direction between two nodes: the messages that `from` sends to `to`. */
export interface Direction {
  readonly from: number;
  readonly to: number;
}

/**
 * A TCP proxy for each directed pair of nodes, in front of the peer ports. A node sends its messages over connections
 * that it opened itself, and gets nothing back over them but the peer's greeting: what happens to the connections from
 * one node to another happens to the messages of that direction only.
 */
export class PeerLinks {
  readonly #links: ReadonlyMap<string, Link>;

  private constructor(links: ReadonlyMap<string, Link>) {
    this.#links = links;
  }

  /** @param chance a number in [0, 1) for each decision of a lossy or jittery link */
  static async open(nodes: number, chance?: () => number): Promise<PeerLinks> {
    const links = new Map<string, Link>();
    const numbers = Array.from({ length: nodes }, (_, at) => at + 1);
    for (const from of numbers) {
      for (const to of numbers.filter((other) => other !== from)) {
        links.set(`${from}-${to}`, await Link.listen(chance));
      }
    }
    return new PeerLinks(links);
  }

  /** What a test cluster takes as `peerAddress`. */
  readonly peerAddress = (from: number, to: number, peerPort: number): string => {
    const link = this.#link({ from, to });
    link.targetPort = peerPort;
    return `127.0.0.1:${link.port}`;
  };

  /** Every directed pair of nodes. */
  get directions(): readonly Direction[] {
    return [...this.#links.keys()].map((name) => {
      const [from, to] = name.split("-").map(Number) as [number, number];
      return { from, to };
    });
  }

  /** The directions from or to the node. */
  directionsOf(node: number): readonly Direction[] {
    return this.directions.filter(({ from, to }) => from === node || to === node);
  }

  /** Puts the fault on these directions, in place of what they had. */
  async impose(directions: readonly Direction[], fault: LinkFault): Promise<void> {
    await Promise.all(directions.map((direction) => this.#link(direction).impose(fault)));
  }

  /** Resets the connections of these directions; new ones are welcome. */
  reset(directions: readonly Direction[] = this.directions): void {
    for (const direction of directions) this.#link(direction).reset();
  }

  /** Loses everything in that direction from now on. */
  cut(direction: Direction): Promise<void> {
    return this.impose([direction], { kind: "cut" });
  }

  /** Loses everything between the node and all others, in both directions. */
  isolate(node: number): Promise<void> {
    return this.impose(this.directionsOf(node), { kind: "cut" });
  }

  /** Everything flows again; connections that lost bytes are gone. */
  async heal(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.heal()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  #link({ from, to }: Direction): Link {
    const link = this.#links.get(`${from}-${to}`);
    if (link === undefined) throw new Error(`there is no link from n${from} to n${to}`);
    return link;
  }
}
