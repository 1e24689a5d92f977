import { describe, expect, test } from "@jest/globals";
import {
  type Configuration,
  changedConfiguration,
  configurationOf,
  configurationStepFault,
  type Entry,
  leftConfiguration,
  type MemberChange,
  type MemberId,
  type Message,
} from "@quorate/services/raft";
import { type Random, seededRandom } from "@quorate/services/std";
import { isLongRun } from "../../support/long-run";
import { type NodeConfig, text } from "./group";
import { configurationAfter, configurationCommand, SlowMember } from "./slow-member";

/*
 * Random schedules in which members come and go, in one step or by joint configurations, logs are cut, and states are
 * brought in their place. Everybody talks to everybody, members or not: to keep strangers out is the transport's. After
 * each step the safety properties of the Raft paper (figure 3) are checked, and that a leader commits only what a
 * majority of each half of its configuration has durably.
 */
const STEPS = 8_000;
const SEEDS = Array.from({ length: isLongRun ? 10 : 3 }, (_, at) => at + 1);
const IDS: readonly MemberId[] = ["n1", "n2", "n3", "n4", "n5", "n6"];
const FOUNDING = configurationOf(["n1", "n2", "n3"]);

class Schedule {
  private readonly members: ReadonlyMap<MemberId, SlowMember>;
  private inTransit: Message[] = [];
  private readonly leaderOf = new Map<number, MemberId>();
  private readonly committed: Entry[] = [];
  /** After each committed entry; the founding one at 0. */
  private readonly configurations: Configuration[] = [FOUNDING];
  private readonly seenCommit = new Map<MemberId, number>();
  private readonly seenTerm = new Map<MemberId, number>();
  private readonly countedCommit = new Map<MemberId, number>();
  private cut: MemberId | null = null;
  private proposals = 0;
  readonly counts = { changes: 0, restored: 0, joint: 0 };

  constructor(
    private readonly random: Random,
    changes: Partial<NodeConfig>,
  ) {
    this.members = new Map(IDS.map((id) => [id, new SlowMember(id, FOUNDING, changes)]));
  }

  step(): void {
    const member = this.anyMember();
    const { id, raft } = member;
    const draw = this.random.below(1_000);
    if (draw < 60) raft.tick();
    else if (draw < 230) this.send(member.take());
    else if (draw < 400) this.send(member.store());
    else if (draw < 560) this.apply(member);
    else if (draw < 920) this.deliverSome();
    else if (draw < 940) this.propose(this.someLeader() ?? member);
    else if (draw < 955) this.change(this.someLeader() ?? member);
    else if (draw < 956) raft.campaign();
    else if (draw < 959) raft.readIndex(`${id}/${this.random.nextUint32()}`);
    else if (draw < 960) raft.transferLeadership(this.anyMember().id);
    else if (draw < 962) raft.reportUnreachable(this.anyMember().id);
    else if (draw < 963) raft.reportReset(raft.status().leaderId ?? id);
    else if (draw < 975) member.compact(this.random.float());
    else if (draw < 994) this.install(member);
    else if (draw < 998) this.cut = this.random.below(3) > 0 ? null : id;
    else this.crash(member);
    this.check();
    this.checkQuorums();
  }

  /** Lets everything heal: whoever takes part must then agree. */
  settle(): void {
    this.cut = null;
    for (let round = 0; round < 600; round += 1) {
      for (const member of this.members.values()) {
        member.raft.tick();
        if (round % 50 === 0) this.leaveJoint(member);
        while (!member.isIdle) {
          this.send([...member.take(), ...member.store()]);
          this.apply(member);
        }
        this.install(member);
      }
      for (const message of this.inTransit.splice(0)) this.members.get(message.to)?.raft.step(message);
      this.check();
    }
    const takingPart = [...this.members.values()].filter(({ id }) => this.lastConfigurationHas(id));
    const statuses = takingPart.map(({ raft }) => raft.status());
    expect(statuses.filter(({ role }) => role === "leader")).toHaveLength(1);
    expect(new Set(statuses.map(({ term, leaderId, commit }) => `${term} ${leaderId} ${commit}`)).size).toBe(
      1,
    );
    expect(statuses.map(({ applied }) => applied)).toEqual(statuses.map(() => this.committed.length));
  }

  private anyMember(): SlowMember {
    return this.members.get(IDS[this.random.below(IDS.length)] as MemberId) as SlowMember;
  }

  private someLeader(): SlowMember | null {
    const leaders = [...this.members.values()].filter(({ raft }) => raft.status().role === "leader");
    return leaders[this.random.below(Math.max(1, leaders.length))] ?? null;
  }

  private lastConfigurationHas(id: MemberId): boolean {
    const { voters, learners } = this.configurations.at(-1) as Configuration;
    return voters.includes(id) || learners.includes(id);
  }

  private loses({ from, to }: Message): boolean {
    return (from === this.cut) !== (to === this.cut);
  }

  private send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.loses(message) || this.random.below(20) === 0) continue;
      this.inTransit.push(message);
      if (this.random.below(20) === 0) this.inTransit.push(message);
    }
  }

  private deliverSome(): void {
    for (let count = 0; count < IDS.length; count += 1) {
      const at = this.random.below(4) === 0 ? this.random.below(Math.max(1, this.inTransit.length)) : 0;
      const [message] = this.inTransit.splice(at, 1);
      if (message !== undefined && !this.loses(message)) this.members.get(message.to)?.raft.step(message);
    }
  }

  private propose({ raft }: SlowMember): void {
    this.proposals += 1;
    raft.propose([text(`c${this.proposals}`)]);
  }

  private change(member: SlowMember): void {
    const { raft } = member;
    const { role, configuration } = raft.status();
    if (role !== "leader") return;
    if (configuration.votersOutgoing.length > 0) {
      this.leaveJoint(member);
      return;
    }
    const kinds = ["add_voter", "add_learner", "remove"] as const;
    const changes = Array.from({ length: 1 + this.random.below(3) }, (): MemberChange => {
      const kind = kinds[this.random.below(kinds.length)] as MemberChange["kind"];
      return { kind, id: this.anyMember().id };
    });
    const transitions = ["auto", "auto", "implicit", "explicit"] as const;
    const transition = transitions[this.random.below(transitions.length)] ?? "auto";
    const changed = changedConfiguration(configuration, changes, transition);
    if (changed.kind === "fault") return;
    raft.proposeConfiguration(changed.configuration, configurationCommand(changed.configuration));
  }

  private leaveJoint({ raft }: SlowMember): void {
    const { role, configuration } = raft.status();
    if (role !== "leader" || configuration.votersOutgoing.length === 0 || configuration.autoLeave) return;
    const left = leftConfiguration(configuration);
    raft.proposeConfiguration(left, configurationCommand(left));
  }

  private apply(member: SlowMember): void {
    const entry = member.apply();
    if (entry === null) return;
    const { id, state } = member;
    const known = this.committed[entry.index - 1];
    if (known === undefined) this.noteCommitted(id, entry);
    else if (known.term !== entry.term || String(known.data) !== String(entry.data)) {
      throw new Error(`${id} applied another entry at ${entry.index} than others did`);
    }
    expect(state.configuration).toEqual(this.configurations[entry.index]);
  }

  private noteCommitted(id: MemberId, entry: Entry): void {
    if (entry.index !== this.committed.length + 1)
      throw new Error(`${id} applied ${entry.index} out of order`);
    this.committed.push(entry);
    const before = this.configurations.at(-1) as Configuration;
    const after = configurationAfter(before, entry);
    this.configurations.push(after);
    if (entry.kind === "normal") return;
    expect(configurationStepFault(before, after)).toBeNull();
    this.counts.changes += 1;
    if (after.votersOutgoing.length > 0) this.counts.joint += 1;
  }

  private install(member: SlowMember): void {
    const before = member.state;
    this.send(
      member.install((from) => {
        const isCut = (from === this.cut) !== (member.id === this.cut);
        return isCut ? null : (this.members.get(from)?.state ?? null);
      }),
    );
    if (member.state !== before) this.counts.restored += 1;
  }

  private crash(member: SlowMember): void {
    member.crash();
    this.seenCommit.delete(member.id);
    this.seenTerm.set(member.id, member.durableTerm);
  }

  private check(): void {
    for (const { id, raft, state } of this.members.values()) {
      const { applied, commit, firstIndex, last, role, term } = raft.status();
      const isOrdered = firstIndex <= applied + 1 && applied <= commit && commit <= last.index;
      if (!isOrdered) throw new Error(`${id}: first - 1 <= applied <= commit <= last does not hold`);
      if (applied !== state.applied.index) throw new Error(`${id}: its core and its state differ`);
      const seenCommit = this.seenCommit.get(id) ?? 0;
      if (commit < seenCommit) throw new Error(`${id}: its commit index fell`);
      if (term < (this.seenTerm.get(id) ?? 0)) throw new Error(`${id}: its term fell`);
      this.seenCommit.set(id, commit);
      this.seenTerm.set(id, term);
      if (role === "leader") this.checkLeader(id, term, last.index);
    }
  }

  private checkLeader(id: MemberId, term: number, lastIndex: number): void {
    const other = this.leaderOf.get(term);
    if (other !== undefined && other !== id) throw new Error(`${id} and ${other} both lead term ${term}`);
    if (other === id) return;
    this.leaderOf.set(term, id);
    // Leader completeness: what anyone has applied is in the log of each later leader.
    if (lastIndex < this.committed.length)
      throw new Error(`${id} leads term ${term} without committed entries`);
  }

  /** To be called after each step: one that commits leaves the configuration in which it did. */
  private checkQuorums(): void {
    for (const { id, raft } of this.members.values()) {
      const { commit, role } = raft.status();
      if (role === "leader" && commit > (this.countedCommit.get(id) ?? 0)) this.checkQuorum(id, commit);
      this.countedCommit.set(id, commit);
    }
  }

  /** Whoever took a state that goes further holds what is before it. */
  private checkQuorum(id: MemberId, commit: number): void {
    const { raft } = this.members.get(id) as SlowMember;
    const { term, configuration } = raft.status();
    const entry = raft.logEntries().find(({ index }) => index === commit);
    // It became leader with that commit index where the entry is of an earlier term.
    if (entry === undefined || entry.term !== term) return;
    const holds = (voter: MemberId): boolean => {
      const { log } = this.members.get(voter) as SlowMember;
      return commit < log.firstIndex() || log.term(commit) === entry.term;
    };
    for (const half of [configuration.voters, configuration.votersOutgoing]) {
      if (half.length > 0 && half.filter(holds).length * 2 <= half.length) {
        throw new Error(`${id} committed ${commit} without a majority of ${half.join(", ")}`);
      }
    }
  }

  expectMatchingLogs(): void {
    const logs = [...this.members.values()].map(({ raft }) => raft.logEntries());
    for (const left of logs) {
      for (const right of logs) {
        const rightAt = new Map(right.map((entry) => [entry.index, entry]));
        const common = left.filter(({ index }) => rightAt.has(index));
        const lastAgreed = common.findLastIndex(({ index, term }) => rightAt.get(index)?.term === term);
        for (const entry of common.slice(0, lastAgreed + 1)) expect(rightAt.get(entry.index)).toEqual(entry);
      }
    }
  }
}

const CAREFUL = { preVote: true, checkQuorum: true };
const PROFILES: readonly [string, Partial<NodeConfig>][] = [
  ["with pre-vote and check-quorum", CAREFUL],
  ["with tight windows", { ...CAREFUL, inflightMessagesMax: 2, appendBytesMax: 60, inflightBytesMax: 90 }],
  [
    "as replicas have them",
    { ...CAREFUL, appliesOnlyDurable: true, tellsCommitAtOnce: false, readsAsk: "quorum" },
  ],
  ["that hand out a little at a time", { ...CAREFUL, committedBytesPerReadyMax: 60 }],
];

describe("random schedules with changing members and states", () => {
  const rows = PROFILES.flatMap(([name, changes]) => SEEDS.map((seed) => [name, seed, changes] as const));

  test.each(rows)("members %s stay safe and agree in the end, seed %i", (_, seed, changes) => {
    const schedule = new Schedule(seededRandom(seed), changes);
    for (let step = 0; step < STEPS; step += 1) schedule.step();
    schedule.expectMatchingLogs();
    schedule.settle();
    schedule.expectMatchingLogs();
  });

  test.each(SEEDS)("members without pre-vote and check-quorum stay safe, seed %i", (seed) => {
    const schedule = new Schedule(seededRandom(seed), {});
    for (let step = 0; step < STEPS; step += 1) schedule.step();
    schedule.expectMatchingLogs();
  });

  test("they do come and go", () => {
    const sum = { changes: 0, joint: 0, restored: 0 };
    for (const seed of SEEDS.slice(0, 3)) {
      const schedule = new Schedule(seededRandom(seed), CAREFUL);
      for (let step = 0; step < STEPS; step += 1) schedule.step();
      const { changes, joint, restored } = schedule.counts;
      sum.changes += changes;
      sum.joint += joint;
      sum.restored += restored;
    }
    expect([sum.changes > 20, sum.joint > 10, sum.restored > 5]).toEqual([true, true, true]);
  });
});
