import type { MemberId, Message } from "#raft";
import type { Transport } from "#replica";
import type { Direction, NetworkFilter } from "./filter";

/** One member as the network sees it: the part of a Replica that peers reach, and who it says it is. */
export interface NetworkMember {
  readonly id: MemberId;
  /** The data directory that speaks for the member. */
  readonly storeId: string;
  receive(messages: readonly Message[]): void;
  reportUnreachable(peer: MemberId): void;
  memberStore(memberId: MemberId): string | null;
  noteStore(memberId: MemberId, storeId: string): void;
}

/** Carries messages between replicas of one process, through filters. */
export interface NetworkPort {
  /** From now on messages to the member arrive; the Transport is how it sends. */
  attach(member: NetworkMember): Transport;
  /** Its process is gone: what is on its way to it is lost, and who sends to it is told that it is unreachable. */
  detach(id: MemberId): void;
  /** Returns how to take the filter away again. */
  add(filter: NetworkFilter): () => void;
  /** Members of different groups cannot reach each other; who is in no group is reached by all. */
  partition(...groups: readonly (readonly MemberId[])[]): void;
  isolate(id: MemberId): void;
  /** Nothing arrives in that direction. */
  cut(direction: Direction): void;
  /** Undoes partition, isolate and cut. */
  heal(): void;
  /** Undoes those, and takes every filter away. */
  clear(): void;
}
