import type { Direction, NetworkPort } from "@quorate/services/faults";

export type Breakage = "cut" | "half_open" | "stuck_connect";

interface Broken {
  readonly direction: Direction;
  readonly breakage: Breakage;
}

/** The connections that are broken now: where two faults meet, the later one counts, and the earlier one remains after it. */
export class BrokenLinks {
  private broken: readonly Broken[] = [];

  constructor(private readonly network: NetworkPort) {}

  /** Returns how to mend them again. */
  break(directions: readonly Direction[], breakage: Breakage): () => void {
    const added = directions.map((direction): Broken => ({ direction, breakage }));
    this.broken = [...this.broken, ...added];
    for (const broken of added) this.apply(broken);
    return () => {
      for (const broken of added) this.mend(broken);
    };
  }

  end(): void {
    this.broken = [];
    this.network.heal();
  }

  private mend(mended: Broken): void {
    if (!this.broken.includes(mended)) return;
    this.broken = this.broken.filter((other) => other !== mended);
    this.network.mend(mended.direction);
    for (const other of this.broken) if (isSame(other.direction, mended.direction)) this.apply(other);
  }

  private apply({ direction, breakage }: Broken): void {
    switch (breakage) {
      case "cut":
        this.network.cut(direction);
        return;
      case "half_open":
        this.network.halfOpen(direction);
        return;
      case "stuck_connect":
        this.network.refuseConnections(direction);
        return;
    }
  }
}

function isSame(left: Direction, right: Direction): boolean {
  return left.from === right.from && left.to === right.to;
}
