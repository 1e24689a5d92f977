import { type Command, type MembershipState, Refusal } from "@quorate/services/kv";
import type { NaiveDone } from "./naive-records";

type Operation = NonNullable<Command["operation"]>;
type MembersOperation = Extract<Operation, { $case: "recordStore" | "changeMembership" | "updateMember" }>;

interface NaiveMember {
  /** All that is said of it, as a text. */
  info: string;
  store: string;
}

/** What the contract says of members, in the plainest form. */
export class NaiveMembers {
  private epoch: number;
  private lists: string;
  private readonly members = new Map<string, NaiveMember>();
  private readonly retired: string[];

  constructor({ epoch, configuration, members, retiredStores }: MembershipState) {
    this.epoch = epoch;
    this.lists = listsText(configuration);
    this.retired = [...retiredStores];
    for (const member of members)
      this.members.set(member.memberId, { info: infoText(member), store: member.storeId ?? "" });
  }

  /** Everything there is to say of a membership, as a text. */
  get text(): string {
    return text(this.epoch, this.lists, this.members, this.retired);
  }

  apply(operation: MembersOperation): NaiveDone | Refusal {
    switch (operation.$case) {
      case "recordStore": {
        const { memberId, storeId } = operation.value;
        const member = this.members.get(memberId);
        if (member === undefined) return Refusal.UNKNOWN_MEMBER;
        if (member.store === storeId) return {};
        if (member.store !== "" || this.retired.includes(storeId)) return Refusal.STORE_MISMATCH;
        member.store = storeId;
        return {};
      }
      case "updateMember": {
        const info = operation.value.member;
        const member = this.members.get(info?.memberId ?? "");
        if (info === undefined || member === undefined) return Refusal.UNKNOWN_MEMBER;
        member.info = infoText(info);
        return {};
      }
      case "changeMembership": {
        const { configuration, members } = operation.value;
        if (configuration === undefined) return Refusal.UNKNOWN_COMMAND;
        const { voters, votersOutgoing, learners } = configuration;
        const present = [...voters, ...votersOutgoing, ...learners];
        const named = new Map(members.map((info) => [info.memberId, infoText(info)]));
        if (present.some((id) => !named.has(id) && !this.members.has(id))) return Refusal.UNKNOWN_MEMBER;
        for (const [id, info] of named)
          this.members.set(id, { info, store: this.members.get(id)?.store ?? "" });
        this.epoch += 1;
        this.lists = listsText(configuration);
        for (const [id, { store }] of [...this.members].sort(([left], [right]) => (left < right ? -1 : 1))) {
          if (present.includes(id)) continue;
          this.members.delete(id);
          if (store !== "") this.retired.push(store);
        }
        return {};
      }
    }
  }
}

export function membershipText({ epoch, configuration, members, retiredStores }: MembershipState): string {
  const named = new Map(
    members.map((member) => [member.memberId, { info: infoText(member), store: member.storeId ?? "" }]),
  );
  return text(epoch, listsText(configuration), named, [...retiredStores]);
}

function text(
  epoch: number,
  lists: string,
  members: ReadonlyMap<string, NaiveMember>,
  retired: readonly string[],
): string {
  const all = [...members].map(([id, { info, store }]) => `${id} ${info} ${store || "unbound"}`).sort();
  return `${epoch}: ${lists}; ${all.join(", ")}; retired ${[...retired].sort().join(" ")}`;
}

function listsText(configuration: {
  readonly voters: readonly string[];
  readonly votersOutgoing: readonly string[];
  readonly learners: readonly string[];
  readonly learnersNext: readonly string[];
  readonly autoLeave: boolean;
}): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  const lists = [voters, votersOutgoing, learners, learnersNext].map((list) => [...list].sort().join(" "));
  return `${lists.join(" | ")}${autoLeave ? " auto" : ""}`;
}

function infoText(info: {
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly priority: number;
  readonly promoteWhenCaughtUp: boolean;
  readonly replaces: string;
}): string {
  const { clientAddress, peerAddress, priority, promoteWhenCaughtUp, replaces } = info;
  return `${clientAddress} ${peerAddress} ${priority}${promoteWhenCaughtUp ? " to be promoted" : ""} ${replaces}`;
}
