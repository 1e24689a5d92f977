import type { Profile } from "@quorate/services/launcher";

/** The stores that scenarios can be carried out with. */
export const STORES = ["quorate", "etcd"] as const;
export type Store = (typeof STORES)[number];

/** Nodes of one store as processes on this machine; made without starting any. */
export interface Subject {
  readonly store: Store;
  readonly profile: Profile;
  /** Where the data of all nodes lie. */
  readonly directory: string;
  readonly nodes: readonly string[];
  /** Starts one node that does not run, on whatever data it has, and does not wait. */
  spawn(node: string): Promise<void>;
  /** Resolves at once when the node answers: "up" when it takes calls at all, "led" when it knows a leader too. */
  answers(node: string, how: "up" | "led", signal?: AbortSignal): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(node: string): Promise<void>;
  /** Asks until some node leads and all others follow. */
  leader(): Promise<string>;
  /** Waits until all nodes have applied everything. */
  level(): Promise<void>;
  /** The process of a node that runs. */
  pid(node: string): number;
  /** Where one node keeps its data. */
  dataDir(node: string): string;
  /**
   * A client with a connection of its own.
   *
   * @param node the node that it talks to while that works; by default the leader is asked for and waited for
   */
  connect(node?: string): Promise<SubjectClient>;
  /** A client that is given all nodes, as whoever wants to outlive the death of one would do; the leader first. */
  connectToAll(): Promise<SubjectClient>;
  /** Kills what runs and removes all data. Safe twice. */
  stop(): Promise<void>;
}

/** The client of a store that a TypeScript program would use, as it is used by default. */
export interface SubjectClient {
  put(key: string, value: Uint8Array): Promise<unknown>;
  /** Linearizable. */
  get(key: string): Promise<unknown>;
  /** Resolves when each put that begins from now on will be told. */
  watch(prefix: string, onPut: (value: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

/** Starts all nodes; resolves when they have a leader. */
export async function startAll(subject: Subject): Promise<void> {
  for (const node of subject.nodes) await subject.spawn(node);
  await Promise.all(subject.nodes.map((node) => subject.answers(node, "led")));
  await subject.leader();
}
