import { describe, expect, test } from "@jest/globals";
import { type Message, type TraceEvent, traceLine } from "@quorate/services/raft";
import { type Random, seededRandom } from "@quorate/services/std";
import { TraceModel } from "../../support/trace-model";
import { Group, logOf, type Node, text } from "./group";

const STEPS = 1_500;

/** A random run as the model wants it (see services/raft/trace.ts). */
function tracedRun(random: Random, size: number): { readonly events: TraceEvent[]; readonly group: Group } {
  const events: TraceEvent[] = [];
  const tracer = (event: TraceEvent): void => void events.push(event);
  const hardState = { term: 1, vote: null, commit: 1 };
  const group = new Group(size, { tracer, hardState, appendBytesMax: 40 }, () => ({ log: logOf(1) }));
  const nodes = [...group.nodes.values()];
  const pick = (): Node => nodes[random.below(nodes.length)] as Node;
  const deliver = (message: Message): void => void group.raft(message.to).step(message);
  for (let step = 0; step < STEPS; step += 1) {
    const node = pick();
    const draw = random.below(100);
    if (draw < 12) node.raft.tick();
    else if (draw < 50) {
      if (node.raft.hasReady()) group.inTransit.push(...node.handleReady());
    } else if (draw < 85) {
      const [message] = group.inTransit.splice(random.below(group.inTransit.length + 1), 1);
      if (message !== undefined && random.below(20) > 0) deliver(message);
    } else if (draw < 97) node.raft.propose([text(`p${step}`)]);
    else if (draw < 98) node.raft.campaign();
    else if (draw < 99) node.raft.transferLeadership(pick().id);
    else if (!node.raft.hasReady()) node.restart();
  }
  group.inTransit = [];
  group.tick(100);
  return { events, group };
}

describe("the trace for outside validation", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("every line is a step of the model, seed %i", (seed) => {
    const { events, group } = tracedRun(seededRandom(seed), seed % 2 === 0 ? 5 : 3);
    expect(group.leaders()).toHaveLength(1);
    expect(new Set(events.map(({ name }) => name)).size).toBe(15);
    const model = new TraceModel();
    for (const event of events) model.read(event);
  });

  test.each<[string, (event: TraceEvent) => TraceEvent | null]>([
    ["a commit index one too high", (event) => withState(event, { commit: event.state.commit + 1 })],
    ["a vote for another", (event) => withState(event, { vote: "n9" })],
    ["a term too far", (event) => withState(event, { term: event.state.term + 1 })],
    ["a log that is too long", (event) => ({ ...event, log: event.log + 1 })],
  ])("the model refuses %s", (_, falsify) => {
    const { events } = tracedRun(seededRandom(1), 3);
    const at = events.findIndex(({ name }) => name === "Commit");
    const model = new TraceModel();
    for (const event of events.slice(0, at)) model.read(event);
    expect(() => model.read(falsify(events[at] as TraceEvent) as TraceEvent)).toThrow(`line ${at + 1}:`);
  });

  test("the model refuses a leader without votes", () => {
    const { events } = tracedRun(seededRandom(1), 3);
    const isGrantedTo = ({ name, msg }: TraceEvent) =>
      name === "ReceiveRequestVoteResponse" && msg !== undefined && msg.from !== msg.to && !msg.reject;
    const kept = events.filter((event) => !isGrantedTo(event));
    const model = new TraceModel();
    expect(() => {
      for (const event of kept) model.read(event);
    }).toThrow("a leader has the votes of a quorum");
  });

  test("a line has what the validating script sorts by and the specification reads", () => {
    const { events } = tracedRun(seededRandom(3), 3);
    const lines = events.map((event, at) => traceLine(at + 1, event));
    // The script sorts by what follows the second colon.
    const keys = lines.map((line) => line.split(":").slice(2).join(":"));
    expect([...keys].sort()).toEqual(keys);
    expect(JSON.parse(lines[0] as string)).toEqual({
      level: "debug",
      ts: 1_000_000_001,
      msg: "trace",
      tag: "trace",
      event: {
        name: "InitState",
        nid: "n1",
        state: { term: 1, vote: "0", commit: 1 },
        role: "StateFollower",
        log: 1,
        conf: [["n1", "n2", "n3"], []],
      },
    });
    const sent = events.find(({ name }) => name === "SendAppendEntriesRequest");
    expect(Object.keys(sent?.msg ?? {}).sort()).toEqual(
      ["commit", "entries", "from", "index", "logTerm", "reject", "rejectHint", "term", "to", "type"].sort(),
    );
  });
});

function withState(event: TraceEvent, state: Partial<TraceEvent["state"]>): TraceEvent {
  return { ...event, state: { ...event.state, ...state } };
}
