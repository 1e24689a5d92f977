import type { Profile } from "@quorate/services/launcher";
import { EtcdSubject } from "./etcd-subject";
import { QuorateSubject } from "./quorate-subject";
import type { Stage } from "./scenario";
import { type Store, type Subject, startAll } from "./subject";

/** One store with one timing: what the figures of a column belong to. */
export interface Column {
  readonly store: Store;
  readonly profile: Profile;
}

const MAKE = {
  quorate: (nodes, profile) => QuorateSubject.make(nodes, profile),
  etcd: (nodes, profile) => EtcdSubject.make(nodes, profile),
} as const satisfies Record<Store, (nodes: number, profile: Profile) => Promise<Subject>>;

/** Keeps the nodes that the rounds of one column ask for. */
export class ColumnStage implements Stage {
  readonly #column: Column;
  #cluster: Promise<Subject> | null = null;
  readonly #fresh = new Set<Subject>();

  constructor(column: Column) {
    this.#column = column;
  }

  get profile(): Profile {
    return this.#column.profile;
  }

  cluster(): Promise<Subject> {
    this.#cluster ??= this.#started();
    return this.#cluster;
  }

  async fresh(nodes: number): Promise<Subject> {
    const { store, profile } = this.#column;
    const subject = await MAKE[store](nodes, profile);
    this.#fresh.add(subject);
    return subject;
  }

  /** To be called when a round has ended, however it did. */
  async endRound(): Promise<void> {
    const ended = [...this.#fresh];
    this.#fresh.clear();
    await Promise.all(ended.map((subject) => subject.stop()));
  }

  /** Safe twice. */
  async close(): Promise<void> {
    await this.endRound();
    const cluster = this.#cluster;
    this.#cluster = null;
    await (await cluster?.catch(() => null))?.stop();
  }

  async #started(): Promise<Subject> {
    const { store, profile } = this.#column;
    const subject = await MAKE[store](3, profile);
    try {
      await startAll(subject);
      return subject;
    } catch (failure) {
      await subject.stop();
      throw failure;
    }
  }
}
