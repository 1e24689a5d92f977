/** Why one transaction comes before another: it was overwritten, read, not yet seen, or had returned before the other began. */
export type Dependency = "ww" | "wr" | "rw" | "rt";

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly kind: Dependency;
}

/** Transactions, by number, and which of them must come before which. */
export class DependencyGraph {
  private readonly edges: Edge[][] = [];

  /** @returns the number of a new node */
  addNode(): number {
    this.edges.push([]);
    return this.edges.length - 1;
  }

  add(from: number, to: number, kind: Dependency): void {
    if (from !== to) (this.edges[from] as Edge[]).push({ from, to, kind });
  }

  /** Sets of nodes that all reach each other over edges of these kinds, of two nodes or more (Tarjan, 1972). */
  components(kinds: readonly Dependency[]): readonly (readonly number[])[] {
    const count = this.edges.length;
    const order = new Int32Array(count).fill(-1);
    const low = new Int32Array(count);
    const isOnStack = new Uint8Array(count);
    const stack: number[] = [];
    const found: number[][] = [];
    let visited = 0;
    const enter = (node: number): void => {
      order[node] = low[node] = visited;
      visited += 1;
      stack.push(node);
      isOnStack[node] = 1;
    };
    const leave = (node: number): void => {
      if (low[node] !== order[node]) return;
      const members = stack.splice(stack.lastIndexOf(node));
      for (const member of members) isOnStack[member] = 0;
      if (members.length > 1) found.push(members.sort((left, right) => left - right));
    };
    for (let root = 0; root < count; root += 1) {
      if (order[root] !== -1) continue;
      enter(root);
      const path = [{ node: root, at: 0 }];
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const { node } = top;
        const edge = (this.edges[node] as Edge[])[top.at];
        if (edge === undefined) {
          path.pop();
          leave(node);
          const parent = path.at(-1)?.node;
          if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
          continue;
        }
        top.at += 1;
        if (!kinds.includes(edge.kind)) continue;
        if (order[edge.to] === -1) {
          enter(edge.to);
          path.push({ node: edge.to, at: 0 });
        } else if (isOnStack[edge.to] === 1) {
          low[node] = Math.min(low[node] as number, order[edge.to] as number);
        }
      }
    }
    return found;
  }

  /** The edges of some kind that lie within a set of nodes. */
  within(nodes: readonly number[], kind: Dependency): readonly Edge[] {
    const members = new Set(nodes);
    return nodes.flatMap((node) =>
      (this.edges[node] as Edge[]).filter((edge) => edge.kind === kind && members.has(edge.to)),
    );
  }

  /** The fewest edges of these kinds from one node to another, or back to itself; null where there is no way. */
  path(from: number, to: number, kinds: readonly Dependency[]): readonly Edge[] | null {
    const cameBy = new Map<number, Edge>();
    let reached = [from];
    while (reached.length > 0) {
      const next: number[] = [];
      for (const node of reached) {
        for (const edge of this.edges[node] as Edge[]) {
          if (!kinds.includes(edge.kind) || cameBy.has(edge.to)) continue;
          cameBy.set(edge.to, edge);
          if (edge.to === to) return this.trace(from, to, cameBy);
          next.push(edge.to);
        }
      }
      reached = next;
    }
    return null;
  }

  private trace(from: number, to: number, cameBy: ReadonlyMap<number, Edge>): readonly Edge[] {
    const edges: Edge[] = [];
    let node = to;
    do {
      const edge = cameBy.get(node) as Edge;
      edges.push(edge);
      node = edge.from;
    } while (node !== from);
    return edges.reverse();
  }
}
