import { describe, expect, test } from "@jest/globals";
import {
  configurationOf,
  Lease,
  type LeaseTerms,
  leaseTermsOf,
  type MemberId,
  type Message,
} from "@quorate/services/raft";
import { ELECTION_TICKS, Group, member, type NodeConfig } from "./group";
import { leaseOf, TestClock } from "./lease-terms";

const GUARDED = { preVote: true, checkQuorum: true } as const;
const TERMS: LeaseTerms = { pledgeMs: 100, leaseMs: 90, pledgedMs: 0 };
const three = configurationOf(["n1", "n2", "n3"]);

/** Members that read by lease, each with a clock of its own. */
class LeaseGroup extends Group {
  readonly clocks: ReadonlyMap<MemberId, TestClock>;

  constructor(size: number, changesOf: (id: MemberId) => Partial<NodeConfig> = () => ({})) {
    const clocks = new Map<MemberId, TestClock>();
    super(size, GUARDED, (id) => {
      const clock = new TestClock();
      clocks.set(id, clock);
      return { lease: leaseOf(clock), ...changesOf(id) };
    });
    this.clocks = clocks;
  }

  clock(id: MemberId): TestClock {
    const clock = this.clocks.get(id);
    if (clock === undefined) throw new Error(`the group has no ${id}`);
    return clock;
  }

  /** On all clocks, which are as fast as each other, without a tick. */
  wait(ms: number): void {
    for (const clock of this.clocks.values()) clock.nowMs += ms;
  }

  /** n1 leads, has just asked for pledges, and all have given theirs. */
  leads(): this {
    this.elect("n1");
    this.tick(1, "n1");
    return this;
  }

  /** What the leader n1 sends for a read of its own, and whether that was answered. */
  read(): { readonly sent: number; readonly isAnswered: boolean } {
    const node = this.node("n1");
    const answered = node.readStates.length;
    node.raft.readIndex(`r${answered}`);
    const sent = node.raft.hasReady() ? node.handleReady().length : 0;
    return { sent, isAnswered: node.readStates.length > answered };
  }
}

const BY_LEASE = { sent: 0, isAnswered: true };
const BY_ROUND = { sent: 2, isAnswered: false };

function vote(kind: "vote" | "pre_vote", to: MemberId, term: number, transfer = false): Message {
  const envelope = { from: "n3", to, term, last: { term: 9, index: 9 } };
  return kind === "vote" ? { kind, ...envelope, transfer } : { kind, ...envelope };
}

describe("a leader that reads by its lease (thesis 6.4.1)", () => {
  test("answers at once and asks nobody, as soon as a quorum has pledged itself", () => {
    const group = new LeaseGroup(3);
    group.elect("n1");
    expect(group.raft("n1").status().hasLease).toBe(false);
    expect(group.read()).toEqual(BY_ROUND);
    group.leads();
    expect(group.raft("n1").status().hasLease).toBe(true);
    expect(group.read()).toEqual(BY_LEASE);
  });

  test("answers a follower's read at once", () => {
    const group = new LeaseGroup(3).leads();
    group.raft("n2").readIndex("r");
    const [question] = group.node("n2").handleReady();
    group.raft("n1").step(question as Message);
    expect(group.node("n1").handleReady()).toEqual([
      { kind: "read_index_response", from: "n1", to: "n2", term: 1, index: 1, context: "r" },
    ]);
  });

  test("asks the quorum again when the lease is over, and by its next heartbeat it has another", () => {
    const group = new LeaseGroup(3).leads();
    group.wait(89);
    expect(group.read()).toEqual(BY_LEASE);
    group.wait(1);
    expect(group.read()).toEqual(BY_ROUND);
    group.tick(1, "n1");
    expect(group.read()).toEqual(BY_LEASE);
  });

  test("counts from when it asked, however late the answers come", () => {
    const group = new LeaseGroup(3);
    group.elect("n1");
    group.raft("n1").tick();
    group.handleReadys();
    group.wait(89);
    group.settle();
    expect(group.read()).toEqual(BY_LEASE);
    group.wait(1);
    expect(group.read()).toEqual(BY_ROUND);
  });

  test("judges by its clock and not by its ticks, of which a process that stood still has missed some", () => {
    const group = new LeaseGroup(3).leads();
    group.clock("n1").nowMs += 1_000;
    expect(group.read()).toEqual(BY_ROUND);
  });

  test("has no lease when the wall's clock has gone on further, as over a suspension of the machine", () => {
    const group = new LeaseGroup(3).leads();
    group.clock("n1").wallOffsetMs += 90;
    expect(group.read()).toEqual(BY_ROUND);
  });

  test("has it no longer for a wall's clock that was set back", () => {
    const group = new LeaseGroup(3).leads();
    group.clock("n1").wallOffsetMs -= 3_600_000;
    group.clock("n1").nowMs += 90;
    expect(group.read()).toEqual(BY_ROUND);
  });

  test("needs the pledges of a quorum with its own", () => {
    const group = new LeaseGroup(5);
    group.elect("n1");
    group.loses = ({ to }) => to === "n3" || to === "n4" || to === "n5";
    group.tick(1, "n1");
    expect(group.raft("n1").status().hasLease).toBe(false);
    group.loses = ({ to }) => to === "n4" || to === "n5";
    group.tick(1, "n1");
    expect(group.raft("n1").status().hasLease).toBe(true);
  });

  test("waits all the same for the first entry of its term", () => {
    const group = new LeaseGroup(3);
    group.loses = ({ kind }) => kind === "append";
    group.leads();
    expect(group.raft("n1").status().hasLease).toBe(true);
    expect(group.read().isAnswered).toBe(false);
    group.heal();
    group.tick(2, "n1");
    expect(group.node("n1").readStates).toEqual([{ context: "r0", index: 1 }]);
  });

  test("has no lease of those that read by the quorum alone, or whose own pledges are shorter", () => {
    const plain = new LeaseGroup(3, (id) => (id === "n1" ? {} : { lease: null }));
    expect(plain.leads().raft("n1").status().hasLease).toBe(false);
    const shorter = new LeaseGroup(3, (id) =>
      id === "n1" ? {} : { lease: leaseOf(new TestClock(), { pledgeMs: 99 }) },
    );
    expect(shorter.leads().raft("n1").status().hasLease).toBe(false);
  });

  test("has no lease once it leads no longer, nor at once when it leads again", () => {
    const group = new LeaseGroup(3).leads();
    group.raft("n1").step({ kind: "append_response", from: "n2", to: "n1", term: 7, index: 0, hint: null });
    expect(group.raft("n1").status()).toMatchObject({ role: "follower", hasLease: false });
    group.wait(100);
    for (const id of ["n2", "n3"]) {
      group.raft(id).setRandomizedElectionTicks(2 * ELECTION_TICKS);
      for (let tick = 0; tick < ELECTION_TICKS; tick += 1) group.raft(id).tick();
    }
    group.elect("n1");
    expect(group.raft("n1").status()).toMatchObject({ role: "leader", hasLease: false });
    // An answer of its first term, which comes late.
    group.raft("n1").step({
      kind: "heartbeat_response",
      from: "n2",
      to: "n1",
      term: 1,
      readSequence: 0,
      lowOnSpace: false,
      pledgedRound: 1,
    });
    expect(group.raft("n1").status().hasLease).toBe(false);
  });
});

describe("a leader that hands over", () => {
  test("has given its lease up when the bidding leaves", () => {
    const group = new LeaseGroup(3).leads();
    group.raft("n1").transferLeadership("n3");
    expect(group.raft("n1").status()).toMatchObject({ role: "leader", hasLease: false });
    expect(group.node("n1").handleReady()).toMatchObject([{ kind: "timeout_now", to: "n3" }]);
  });

  test("takes no other in its term, although nobody took over: the bidding may still be on its way", () => {
    const group = new LeaseGroup(3).leads();
    group.loses = ({ kind }) => kind === "timeout_now";
    group.raft("n1").transferLeadership("n3");
    group.tick(2 * ELECTION_TICKS, "n1");
    expect(group.raft("n1").status()).toMatchObject({
      role: "leader",
      transferTarget: null,
      hasLease: false,
    });
    expect(group.read()).toEqual(BY_ROUND);
  });

  test("keeps it while its target is not up to date, for nobody was bidden yet", () => {
    const group = new LeaseGroup(3).leads();
    group.isolate("n3");
    group.propose("n1", "a");
    group.raft("n1").transferLeadership("n3");
    expect(group.raft("n1").status()).toMatchObject({ transferTarget: "n3", hasLease: true });
  });

  test("has its pledges broken by the campaign that it called for", () => {
    const group = new LeaseGroup(3).leads();
    group.raft("n1").transferLeadership("n3");
    group.settle();
    expect(group.leaders()).toEqual(["n3"]);
  });
});

describe("a member that has pledged itself", () => {
  test.each(["vote", "pre_vote"] as const)("does not answer a %s before its time is over", (kind) => {
    const group = new LeaseGroup(3).leads();
    // Whatever it has become of its role meanwhile.
    const { raft } = group.node("n2");
    group.wait(99);
    raft.step(vote(kind, "n2", 2));
    expect(raft.hasReady()).toBe(false);
    group.wait(1);
    for (let tick = 0; tick < ELECTION_TICKS; tick += 1) raft.tick();
    raft.step(vote(kind, "n2", 2));
    expect(group.node("n2").handleReady()).toMatchObject([{ kind: `${kind}_response`, rejected: false }]);
  });

  test("does not vote in a term that it came to meanwhile without a vote", () => {
    const group = new LeaseGroup(3).leads();
    const { raft } = group.node("n2");
    raft.step({ kind: "transfer_leadership", from: "n3", to: "n2", term: 2 });
    expect(raft.status()).toMatchObject({ term: 2, leaderId: null });
    raft.step(vote("vote", "n2", 2));
    expect(raft.status().vote).toBeNull();
    group.wait(100);
    raft.step(vote("vote", "n2", 2));
    expect(raft.status().vote).toBe("n3");
  });

  test("does not campaign by its ticks alone, however fast they are", () => {
    const group = new LeaseGroup(3).leads();
    const { raft } = group.node("n2");
    for (let tick = 0; tick < 5 * ELECTION_TICKS; tick += 1) raft.tick();
    raft.campaign();
    expect(raft.status()).toMatchObject({ role: "follower", term: 1 });
    group.wait(100);
    raft.tick();
    expect(raft.status().role).toBe("pre_candidate");
  });

  test("counts from when it heard, which may be long after it was asked", () => {
    const group = new LeaseGroup(3);
    group.elect("n1");
    group.raft("n1").tick();
    group.handleReadys();
    group.wait(1_000);
    group.settle();
    group.wait(99);
    group.raft("n2").campaign();
    expect(group.raft("n2").status().role).toBe("follower");
    expect(group.raft("n1").status().hasLease).toBe(false);
  });

  test("is bound by the longest pledge it has given", () => {
    const { raft } = member("n2", 3, { ...GUARDED, lease: leaseOf(new TestClock()) });
    const heartbeat = {
      kind: "heartbeat",
      from: "n1",
      to: "n2",
      term: 1,
      commit: 0,
      readSequence: 0,
    } as const;
    raft.step({ ...heartbeat, pledge: { round: 1, ms: 100 } });
    raft.step({ ...heartbeat, pledge: { round: 2, ms: 1 } });
    raft.campaign();
    expect(raft.status().role).toBe("follower");
  });

  test("counts anew from each time that it is asked", () => {
    const group = new LeaseGroup(3).leads();
    group.wait(60);
    group.tick(1, "n1");
    group.wait(60);
    group.raft("n2").campaign();
    expect(group.raft("n2").status().role).toBe("follower");
    group.wait(40);
    group.raft("n2").campaign();
    expect(group.raft("n2").status().role).toBe("pre_candidate");
  });

  test("waits after a restart, for it has forgotten when it pledged itself", () => {
    const clock = new TestClock();
    const node = member("n2", 3, { ...GUARDED, lease: leaseOf(clock, { pledgedMs: 100 }) });
    clock.nowMs += 500;
    node.restart();
    node.raft.campaign();
    node.raft.step(vote("vote", "n2", 2));
    expect(node.raft.status()).toMatchObject({ role: "follower", term: 0, vote: null });
    clock.nowMs += 100;
    node.raft.step(vote("vote", "n2", 2));
    expect(node.raft.status()).toMatchObject({ term: 2, vote: "n3" });
  });

  test("waits although it would decide alone: whoever leads may not have applied yet that it does", () => {
    const clock = new TestClock();
    const lease = leaseOf(clock, { pledgedMs: 100 });
    const { raft } = member("n1", 1, { ...GUARDED, lease });
    raft.tick();
    expect(raft.status().role).toBe("follower");
    clock.nowMs += 100;
    raft.tick();
    expect(raft.status().role).toBe("pre_candidate");
  });
});

test("a lease is a tenth shorter than its pledges, for clocks that are not equally fast", () => {
  expect(leaseTermsOf(1_000, 500)).toEqual({ pledgeMs: 1_000, leaseMs: 900, pledgedMs: 500 });
});

describe("rounds of pledges", () => {
  function begun(changes: Partial<LeaseTerms> = {}): { readonly clock: TestClock; readonly lease: Lease } {
    const clock = new TestClock();
    return { clock, lease: new Lease("n1", { ...TERMS, ...changes }, clock) };
  }

  test("a later one extends what an earlier one holds", () => {
    const { clock, lease } = begun();
    lease.ask();
    lease.pledgedBy("n2", 1, three);
    clock.nowMs += 50;
    lease.ask();
    lease.pledgedBy("n2", 2, three);
    clock.nowMs += 89;
    expect(lease.isHeld).toBe(true);
    clock.nowMs += 1;
    expect(lease.isHeld).toBe(false);
  });

  test("a member that answers an earlier one late takes nothing back", () => {
    const { clock, lease } = begun();
    lease.ask();
    clock.nowMs += 50;
    lease.ask();
    lease.pledgedBy("n2", 2, three);
    lease.pledgedBy("n2", 1, three);
    lease.pledgedBy("n3", 1, three);
    clock.nowMs += 60;
    expect(lease.isHeld).toBe(true);
  });

  test("one that was never begun says nothing", () => {
    const { lease } = begun();
    lease.ask();
    lease.pledgedBy("n2", 2, three);
    expect(lease.isHeld).toBe(false);
  });

  test("in a joint configuration both halves must have pledged themselves", () => {
    const joint = { ...three, votersOutgoing: ["n1", "n4", "n5"], autoLeave: true };
    const { lease } = begun();
    lease.ask();
    lease.pledgedBy("n2", 1, joint);
    lease.pledgedBy("n3", 1, joint);
    expect(lease.isHeld).toBe(false);
    lease.pledgedBy("n4", 1, joint);
    expect(lease.isHeld).toBe(true);
  });

  test("those of another configuration are no good, not even where the same members vote", () => {
    const { lease } = begun();
    lease.ask();
    lease.pledgedBy("n2", 1, three);
    lease.reconfigured();
    expect(lease.isHeld).toBe(false);
    lease.pledgedBy("n3", 1, three);
    expect(lease.isHeld).toBe(false);
    lease.ask();
    lease.pledgedBy("n3", 2, three);
    expect(lease.isHeld).toBe(true);
  });

  test("none is begun when the lease was given up", () => {
    const { lease } = begun();
    lease.ask();
    lease.giveUp();
    lease.pledgedBy("n2", 1, three);
    expect(lease.isHeld).toBe(false);
    expect(lease.ask()).toBeNull();
  });
});
