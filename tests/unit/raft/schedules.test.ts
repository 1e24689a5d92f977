import { describe, expect, test } from "@jest/globals";
import type { Entry, MemberId, Message, Ready } from "@quorate/services/raft";
import { type Random, seededRandom } from "@quorate/services/std";
import { isLongRun } from "../../support/long-run";
import { Group, idOf, type Node, type NodeConfig, text } from "./group";

/*
 * Random schedules: every step one member ticks, handles a part of its Readys, gets a message out of order, twice or
 * not at all, proposes, campaigns, is cut off or crashes. After each step the safety properties of the Raft paper
 * (figure 3) are checked; at the end everything heals and the group must come to agree.
 */
const STEPS = 5_000;

/** A member whose disk takes time: Readys wait, several at once, until it stores them, in order. */
class SlowNode {
  readonly outstanding: Ready[] = [];

  constructor(
    readonly node: Node,
    private readonly appliesOnlyDurable: boolean,
  ) {}

  take(): readonly Message[] {
    if (!this.node.raft.hasReady()) return [];
    const ready = this.node.raft.takeReady();
    this.outstanding.push(ready);
    if (this.appliesOnlyDurable) {
      for (const { index, term } of ready.committedEntries) {
        if (this.node.log.term(index) !== term) throw new Error(`${index} is to be applied and not durable`);
      }
      this.apply(ready.committedEntries);
    }
    return ready.messages;
  }

  store(): readonly Message[] {
    const ready = this.outstanding.shift();
    if (ready === undefined) return [];
    const { node } = this;
    node.log.store(ready.entries);
    node.hardState = ready.hardState ?? node.hardState;
    node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
    if (!this.appliesOnlyDurable) this.apply(ready.committedEntries);
    return ready.messagesAfterPersist;
  }

  private apply(entries: readonly Entry[]): void {
    const { node } = this;
    node.applied.push(...entries);
    const last = entries.at(-1);
    if (last !== undefined) node.raft.applied(last.index);
  }

  crash(): void {
    this.outstanding.length = 0;
    this.node.restart();
    this.node.raft.reportStarted();
  }
}

class Schedule {
  readonly group: Group;
  private readonly nodes: ReadonlyMap<MemberId, SlowNode>;
  private readonly ids: readonly MemberId[];
  private readonly leaderOf = new Map<number, MemberId>();
  private readonly committed: Entry[] = [];
  private readonly seenCommit = new Map<MemberId, number>();
  private readonly seenTerm = new Map<MemberId, number>();
  private cut: MemberId | null = null;
  private proposals = 0;

  constructor(
    size: number,
    private readonly random: Random,
    changes: Partial<NodeConfig>,
  ) {
    this.group = new Group(size, changes);
    this.nodes = new Map(
      [...this.group.nodes].map(([id, node]) => [
        id,
        new SlowNode(node, changes.appliesOnlyDurable === true),
      ]),
    );
    this.ids = [...this.group.nodes.keys()];
    this.group.loses = ({ from, to }) => (from === this.cut) !== (to === this.cut);
  }

  step(): void {
    const id = this.ids[this.random.below(this.ids.length)] as MemberId;
    const slow = this.nodes.get(id) as SlowNode;
    const { raft } = slow.node;
    const draw = this.random.below(1_000);
    if (draw < 70) raft.tick();
    else if (draw < 300) this.send(slow.take());
    else if (draw < 530) this.send(slow.store());
    else if (draw < 920) this.deliverSome();
    else if (draw < 980) this.propose(slow.node);
    else if (draw < 982) raft.campaign();
    else if (draw < 986) raft.readIndex(`${id}/${this.random.nextUint32()}`);
    else if (draw < 988) raft.transferLeadership(this.ids[this.random.below(this.ids.length)] as MemberId);
    else if (draw < 991) raft.reportUnreachable(this.ids[this.random.below(this.ids.length)] as MemberId);
    else if (draw < 992) raft.forgetLeader();
    else if (draw < 993) raft.reportReset(raft.status().leaderId ?? id);
    else if (draw < 995) raft.tellCommit();
    else if (draw < 998) this.cut = this.random.below(2) === 0 ? null : id;
    else this.crash(id, slow);
    this.check();
  }

  /** Lets everything heal; the group must then agree on all that was proposed and committed. */
  settle(): void {
    this.cut = null;
    for (let round = 0; round < 400; round += 1) {
      for (const slow of this.nodes.values()) {
        slow.node.raft.tick();
        for (;;) {
          const sent = [...slow.take(), ...slow.store()];
          this.send(sent);
          if (sent.length === 0 && slow.outstanding.length === 0 && !slow.node.raft.hasReady()) break;
        }
      }
      for (const message of this.group.inTransit.splice(0)) this.group.raft(message.to).step(message);
      this.check();
    }
    const [first, ...others] = [...this.group.nodes.values()].map(({ raft }) => raft.status());
    expect(this.group.leaders()).toHaveLength(1);
    for (const other of others) {
      expect([other.term, other.leaderId, other.commit]).toEqual([
        first?.term,
        first?.leaderId,
        first?.commit,
      ]);
    }
    for (const node of this.group.nodes.values()) expect(node.applied).toEqual(this.committed);
  }

  private send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.group.loses(message) || this.random.below(20) === 0) continue;
      this.group.inTransit.push(message);
      if (this.random.below(20) === 0) this.group.inTransit.push(message);
    }
  }

  private deliverSome(): void {
    const { inTransit } = this.group;
    for (let count = 0; count < this.ids.length; count += 1) {
      const at = this.random.below(4) === 0 ? this.random.below(Math.max(1, inTransit.length)) : 0;
      const [message] = inTransit.splice(at, 1);
      if (message !== undefined && !this.group.loses(message)) this.group.raft(message.to).step(message);
    }
  }

  private propose(node: Node): void {
    this.proposals += 1;
    node.raft.propose([text(`c${this.proposals}`)]);
  }

  private crash(id: MemberId, slow: SlowNode): void {
    slow.crash();
    this.seenCommit.delete(id);
    this.seenTerm.set(id, slow.node.hardState.term);
  }

  private check(): void {
    for (const [id, { raft, applied }] of this.group.nodes) {
      const { applied: appliedIndex, commit, last, role, term } = raft.status();
      const isOrdered = appliedIndex <= commit && commit <= last.index;
      if (!isOrdered) throw new Error(`${id}: applied <= commit <= last does not hold`);
      if (commit < (this.seenCommit.get(id) ?? 0)) throw new Error(`${id}: its commit index fell`);
      if (term < (this.seenTerm.get(id) ?? 0)) throw new Error(`${id}: its term fell`);
      this.seenCommit.set(id, commit);
      this.seenTerm.set(id, term);
      if (role === "leader") this.checkLeader(id, term);
      this.checkApplied(id, applied);
    }
  }

  private checkLeader(id: MemberId, term: number): void {
    const other = this.leaderOf.get(term);
    if (other !== undefined && other !== id) throw new Error(`${id} and ${other} both lead term ${term}`);
    if (other === id) return;
    this.leaderOf.set(term, id);
    // Leader completeness: what anyone has applied is in the log of each later leader.
    const held = this.group.raft(id).status().last.index;
    if (held < this.committed.length) throw new Error(`${id} leads term ${term} without committed entries`);
  }

  private checkApplied(id: MemberId, applied: readonly Entry[]): void {
    for (let at = Math.max(0, this.committed.length - 1); at < applied.length; at += 1) {
      const own = applied[at] as Entry;
      if (own.index !== at + 1) throw new Error(`${id} applied ${own.index} in place of ${at + 1}`);
      this.committed[at] ??= own;
    }
    const last = applied.at(-1);
    if (last === undefined) return;
    const agreed = this.committed[last.index - 1] as Entry;
    const isSame = agreed.term === last.term && String(agreed.data) === String(last.data);
    if (!isSame) throw new Error(`${id} applied another entry at ${last.index}`);
  }
}

/** Log matching: equal ids at an index mean equal logs up to it. */
function expectMatchingLogs(group: Group): void {
  const logs = [...group.nodes.values()].map(({ log }) => log.all);
  for (const left of logs) {
    for (const right of logs) {
      let at = Math.min(left.length, right.length) - 1;
      while (at >= 0 && left[at]?.term !== right[at]?.term) at -= 1;
      expect(left.slice(0, at + 1)).toEqual(right.slice(0, at + 1));
    }
  }
}

const AS_REPLICAS = {
  preVote: true,
  checkQuorum: true,
  appliesOnlyDurable: true,
  tellsCommitAtOnce: false,
  readsAsk: "quorum",
} as const;

const PROFILES: readonly [string, number, Partial<NodeConfig>][] = [
  ["3 members", 3, {}],
  ["3 members with pre-vote and check-quorum", 3, { preVote: true, checkQuorum: true }],
  [
    "5 members with tight windows",
    5,
    { preVote: true, inflightMessagesMax: 2, appendBytesMax: 20, inflightBytesMax: 30 },
  ],
  ["5 members that apply a little at a time", 5, { checkQuorum: true, committedBytesPerReadyMax: 25 }],
  ["3 members as a replica has them", 3, AS_REPLICAS],
  ["5 members as a replica has them", 5, { ...AS_REPLICAS, inflightMessagesMax: 2, appendBytesMax: 20 }],
  ["7 members with pre-vote and check-quorum", 7, { preVote: true, checkQuorum: true }],
];

describe("random schedules", () => {
  const rows = PROFILES.flatMap(([name, size, changes]) =>
    Array.from({ length: isLongRun ? 12 : 4 }, (_, at) => [name, at + 1, size, changes] as const),
  );

  test.each(rows)("%s stay safe and agree in the end, seed %i", (_, seed, size, changes) => {
    const schedule = new Schedule(size, seededRandom(seed), changes);
    for (let step = 0; step < STEPS; step += 1) schedule.step();
    expectMatchingLogs(schedule.group);
    schedule.settle();
    expectMatchingLogs(schedule.group);
  });

  test("equal seeds give equal runs", () => {
    const run = (): unknown => {
      const schedule = new Schedule(5, seededRandom(99), { preVote: true });
      for (let step = 0; step < STEPS; step += 1) schedule.step();
      return [...schedule.group.nodes.values()].map(({ raft, log }) => [raft.status(), log.all]);
    };
    expect(run()).toEqual(run());
  });
});
