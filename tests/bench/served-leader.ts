import { createHash } from "node:crypto";
import { ByteChannels, LeaderDirectory, SILENT_LOG } from "@quorate/services/forward";
import { DEFAULT_LIMITS, StateMachine } from "@quorate/services/kv";
import { MemoryLogDisk, openMemoryLogStore } from "@quorate/services/memory";
import type { Entry, Message } from "@quorate/services/raft";
import { Replica, type StateStore } from "@quorate/services/replica";
import {
  CallCounters,
  FrameEncoder,
  type NodeContext,
  NodeService,
  WRITE_ORDER_MS_MAX,
  WriteOrder,
} from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";

const members = ["n1", "n2", "n3"];
export const others = members.slice(1);

/** The members of the cluster that the leader leads. */
export const founders = members.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));

/** Followers that hold whatever they are sent, and say so in the next turn. */
export class Followers {
  replica: Replica | null = null;
  /** The last entries that were sent together. */
  lastEntries: readonly Entry[] = [];
  readonly frames = new FrameEncoder();
  framesBytes = 0;
  private answers: Message[] = [];

  send(messages: readonly Message[]): void {
    const replica = this.replica as Replica;
    for (const to of others) {
      const frame = messages.filter((message) => message.to === to);
      if (frame.length > 0) this.framesBytes += this.frames.frame(frame).length;
    }
    for (const message of messages) {
      const reply = { from: message.to, to: "n1", term: message.term };
      switch (message.kind) {
        case "append":
          if (message.entries.length > 0) this.lastEntries = message.entries;
          this.answers.push({
            ...reply,
            kind: "append_response",
            index: message.previous.index + message.entries.length,
            hint: null,
          });
          break;
        case "heartbeat":
          this.answers.push({
            ...reply,
            kind: "heartbeat_response",
            readSequence: message.readSequence,
            lowOnSpace: false,
          });
          break;
        case "vote":
          this.answers.push({ ...reply, kind: "vote_response", rejected: false });
          break;
        case "pre_vote":
          this.answers.push({ ...reply, kind: "pre_vote_response", rejected: false });
          break;
        default:
          break;
      }
    }
    if (this.answers.length === 0) return;
    setImmediate(() => {
      const answers = this.answers;
      this.answers = [];
      if (answers.length > 0) replica.receive(answers);
    });
  }
}

export async function leader(state: StateStore, followers: Followers): Promise<Replica> {
  const replica = new Replica({
    id: "n1",
    storeId: "store-n1",
    timing: { electionTicks: 10, heartbeatTicks: 1 },
    log: openMemoryLogStore(new MemoryLogDisk()),
    state,
    machineOf: (resident) => new StateMachine(resident),
    transport: followers,
    clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    scheduler: {
      afterThisTurn: (run) => void setImmediate(run),
      afterMs: (delayMs, run) => void setTimeout(run, delayMs).unref(),
    },
    random: seededRandom(1),
    // Else the heap grows, and what an operation costs with it.
    logKeeping: { entriesMax: 8192, bytesMax: 8 * 1024 * 1024, entriesKept: 1024 },
    history: { revisionsMax: 16_384, ageMsMax: null },
  });
  followers.replica = replica;
  setInterval(() => replica.tick(), 50).unref();
  for (let ticks = 0; !replica.isLeader; ticks += 1) {
    if (ticks > 1000) throw new Error("nobody leads");
    replica.tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return replica;
}

export function serviceOf(replica: Replica): NodeService {
  const directory = new LeaderDirectory();
  directory.replaceLeader("n1", replica.leader.term);
  const nothing = (): never => {
    throw new Error("not in this bench");
  };
  const context: NodeContext = {
    clusterId: "0123456789abcdef0123456789abcdef",
    memberId: "n1",
    storeId: "store-n1",
    softwareVersion: "0.0.0",
    members: [],
    replica,
    watches: { watchesMax: 0, size: 0, open: nothing },
    directory,
    limits: DEFAULT_LIMITS,
    digest: { sha256: (parts) => createHash("sha256").update(Buffer.concat(parts)).digest() },
    counters: new CallCounters(),
    facts: {
      uptimeMs: () => 0,
      memoryBytes: () => 0,
      diskBytes: () => Promise.resolve(0),
      diskFreeBytes: () => null,
      hasFailed: () => false,
    },
    alarms: { observe: () => {}, list: [] },
    verification: null,
    administration: { backup: null, dropClient: nothing, setLogLevel: nothing },
    log: SILENT_LOG,
    writeOrder: new WriteOrder({
      waitMsMax: WRITE_ORDER_MS_MAX,
      wallMs: () => Date.now(),
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
    }),
    forwarding: true,
    clients: () => [],
    wallMs: () => Date.now(),
  };
  return new NodeService(
    context,
    new ByteChannels({ messageBytesMax: 0, keepalive: { timeMs: 1000, timeoutMs: 1000 } }),
  );
}
