import type { ClientOptions } from "@quorate/client";
import { connectionLost, HEADER, ScriptedEndpoints, sessionAnswer } from "./scripted-endpoints";

/** A member as ListMembers tells it. */
interface MemberRow {
  readonly memberId: string;
  readonly clientAddress: string;
  readonly leader: boolean;
  readonly voter: boolean;
}

/** Nodes that come and go, seen by one client. Node i is at `127.0.0.1:i`; the first of the members leads. */
export class ReplaceableCluster {
  readonly ends: ScriptedEndpoints;
  /** The nodes that answer. */
  readonly alive: Set<number>;
  members: readonly number[];
  /** What single nodes take for the members, and whether they know a leader; the others know what is true. */
  readonly beliefs = new Map<number, { readonly members: readonly number[]; readonly hasLeader: boolean }>();
  /** Endpoints that pass every call on to a node. */
  readonly gateways = new Set<number>();

  constructor(members: readonly number[], options: Partial<ClientOptions> = {}) {
    this.members = members;
    this.alive = new Set(members);
    const { endpoints = members.map(addressOf).join(","), ...rest } = options;
    this.ends = new ScriptedEndpoints(
      String(endpoints),
      ({ address, method }) => {
        const node = Number(address.split(":")[1]);
        if (!this.alive.has(node) && !this.gateways.has(node)) return connectionLost;
        if (method === "ListMembers") return { members: this.#listOf(node) };
        return sessionAnswer(method) ?? { header: HEADER, record: undefined };
      },
      { followMembers: "auto", ...rest },
    );
  }

  /** A new node joins, and an old one is removed and stops, as `member replace` has it. */
  replace(old: number, by: number): void {
    this.alive.add(by);
    this.members = [...this.members.filter((node) => node !== old), by];
    this.alive.delete(old);
  }

  /** Lets time pass. */
  async wait(ms: number): Promise<void> {
    const { timing } = this.ends;
    await timing.drive(new Promise<void>((resolve) => timing.schedule(ms, resolve)));
  }

  /** Makes a call, which fails where no endpoint of the client answers. @returns the node that answered */
  async call(): Promise<number> {
    await this.ends.timing.drive(this.ends.client.kv.get("k"));
    return Number(this.ends.of("Get").at(-1)?.address.split(":")[1]);
  }

  #listOf(node: number): readonly MemberRow[] {
    const { members, hasLeader } = this.beliefs.get(node) ?? { members: this.members, hasLeader: true };
    return members.map((member, at) => ({
      memberId: `n${member}`,
      clientAddress: addressOf(member),
      leader: hasLeader && at === 0,
      voter: true,
    }));
  }
}

export function addressOf(node: number): string {
  return `127.0.0.1:${node}`;
}
