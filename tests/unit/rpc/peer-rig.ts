import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { foundingMembership, type MembershipState } from "@quorate/services/kv";
import type { Message } from "@quorate/services/raft";
import {
  type FrozenState,
  type ImageChunk,
  type Introduction,
  type OutgoingImage,
  type OutgoingImages,
  StateReplaced,
} from "@quorate/services/replica";
import type { PeerIdentity } from "@quorate/services/rpc";

export function identityOf(memberId: string): PeerIdentity {
  return {
    clusterId: "c",
    memberId,
    storeId: memberId.replace("n", "store-"),
    clientAddress: `127.0.0.1:${memberId.replace("n", "740")}`,
    peerAddress: `127.0.0.1:${memberId.replace("n", "742")}`,
  };
}

export function membershipOf(
  ids: readonly string[],
  changes: Partial<MembershipState> = {},
): MembershipState {
  const members = ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));
  return { ...foundingMembership(members), ...changes };
}

export function heartbeat(commit: number, from = "n1", to = "n2"): Message {
  return { kind: "heartbeat", from, to, term: 1, commit, readSequence: 0 };
}

/** A replica as far as peers see it. */
export class FakePeerReplica {
  readonly received: Message[] = [];
  readonly stores = new Map<string, string>();
  readonly introduced: Introduction[] = [];
  readonly unreachable: string[] = [];
  readonly reset: string[] = [];
  membership: MembershipState;
  images: OutgoingImages = new FakeImages([]) as unknown as OutgoingImages;

  constructor(ids: readonly string[] = ["n1", "n2"]) {
    this.membership = membershipOf(ids);
  }

  receive(messages: readonly Message[]): void {
    this.received.push(...messages);
  }

  memberStore(id: string): string | null {
    return this.stores.get(id) ?? null;
  }

  noteIntroduction(introduction: Introduction): void {
    this.introduced.push(introduction);
  }

  reportUnreachable(peer: string): void {
    this.unreachable.push(peer);
  }

  reportReset(peer: string): void {
    this.reset.push(peer);
  }
}

/** A frozen state of the given chunks; `taken` counts those that were asked for. */
export class FakeFrozenState implements FrozenState {
  readonly header = { format: "memory-1", applied: { term: 3, index: 70 }, revision: 50 };
  taken = 0;
  isClosed = false;

  constructor(
    private readonly parts: readonly Uint8Array[],
    private readonly before: (at: number) => Promise<void>,
  ) {}

  async *chunks(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    const first = after === null ? 0 : Number(Buffer.from(after).toString()) + 1;
    for (let at = first; at < this.parts.length; at += 1) {
      await this.before(at);
      if (this.isClosed) throw new StateReplaced();
      this.taken += 1;
      const data = this.parts[at]!;
      yield {
        position: Buffer.from(String(at)),
        data,
        checksum: crc32(data),
        isLast: at === this.parts.length - 1,
      };
    }
  }

  scan(): AsyncIterable<never> {
    throw new Error("no scans here");
  }

  close(): void {
    this.isClosed = true;
  }
}

/** The images of a state that never changes. */
export class FakeImages {
  readonly held = new Map<number, FakeFrozenState>();
  imagesMax = 4;
  /** Before the chunk of that number: throws or waits where a test wants it to. */
  before: (at: number) => Promise<void> = () => Promise.resolve();
  touched = 0;
  private nextId = 1;

  constructor(readonly parts: readonly Uint8Array[]) {}

  get count(): number {
    return this.held.size;
  }

  open(): OutgoingImage | "too_many" {
    if (this.held.size >= this.imagesMax) return "too_many";
    const state = new FakeFrozenState(this.parts, (at) => this.before(at));
    const imageId = this.nextId;
    this.nextId += 1;
    this.held.set(imageId, state);
    return { imageId, state };
  }

  resume(imageId: number): OutgoingImage | null {
    const state = this.held.get(imageId);
    return state === undefined ? null : { imageId, state };
  }

  touch(): void {
    this.touched += 1;
  }

  sent(imageId: number): void {
    this.release(imageId);
  }

  release(imageId: number): void {
    this.held.get(imageId)?.close();
    this.held.delete(imageId);
  }
}

/** So many chunks of so many bytes, all different. */
export function partsOf(count: number, bytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => {
    const seed = createHash("sha256").update(String(at)).digest();
    return Buffer.alloc(bytes, seed);
  });
}
