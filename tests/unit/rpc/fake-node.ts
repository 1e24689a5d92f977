import { createHash } from "node:crypto";
import { LeaderDirectory, SILENT_LOG } from "@quorate/services/forward";
import {
  type Command,
  DEFAULT_LIMITS,
  type Done,
  decodeCommand,
  INITIAL_STATE,
  type LeaseStatus,
  type NamespaceState,
  type StoredRecord,
} from "@quorate/services/kv";
import type { RaftStatus } from "@quorate/services/raft";
import type {
  MembershipOutcome,
  MembershipRequest,
  ReadOutcome,
  ReadRequest,
  ReplicaStatus,
  SubmitOutcome,
  TransferResult,
} from "@quorate/services/replica";
import {
  CallCounters,
  type LeaderWait,
  type LogLevel,
  type NodeContext,
  NodeService,
} from "@quorate/services/rpc";
import { patientChannels } from "../forward/serving";
import { membershipOf } from "./peer-rig";

/** What a command did, of which only these fields matter. */
export function done(fields: Partial<Done> = {}): Done {
  return {
    previous: undefined,
    record: undefined,
    deleted: 0n,
    value: 0n,
    clientId: 0n,
    ttlMs: 0n,
    namespaceId: 0n,
    leaseId: 0n,
    renewals: [],
    txn: undefined,
    records: [],
    more: false,
    count: 0n,
    ...fields,
  };
}

export const READY: ReadOutcome = {
  kind: "ready",
  revision: 7,
  term: 2,
  appliedIndex: 9,
  namespaceId: 1,
  generation: 1,
};

export function applied(fields: Partial<Done> = {}): SubmitOutcome {
  return {
    kind: "applied",
    answer: { revision: 8n, result: { $case: "done", value: done(fields) } },
    entry: { term: 2, index: 10 },
  };
}

export const DONE: SubmitOutcome = applied();

export const RAFT_STATUS: RaftStatus = {
  id: "n1",
  role: "leader",
  term: 2,
  vote: "n1",
  leaderId: "n1",
  commit: 90,
  applied: 88,
  firstIndex: 60,
  last: { term: 2, index: 95 },
  configuration: {
    voters: ["n1", "n2"],
    votersOutgoing: [],
    learners: ["n3"],
    learnersNext: [],
    autoLeave: false,
  },
  transferTarget: null,
  hasLease: false,
  leaseReads: 0,
  randomizedElectionTicks: 10,
  progress: null,
};

export const REPLICA_STATUS: ReplicaStatus = {
  raft: RAFT_STATUS,
  appliedIndex: 88,
  revision: 44,
  timeMs: 5000,
  sessions: 3,
  leases: 2,
  keys: 10,
  bytes: 1000,
  openCommands: 0,
  openReads: 0,
  inboxMessages: 0,
  log: { syncs: 7, entriesSynced: 20 },
  checkpointIndex: 80,
  logFirstIndex: 60,
  logBytes: 4096,
  receiving: null,
  imagesOpen: 1,
  imagesInstalled: 0,
  isLowOnSpace: false,
  hasSpace: true,
};

/** A node whose replica answers what the test tells it to. */
export class FakeNode {
  readonly commands: Command[] = [];
  readonly reads: ReadRequest[] = [];
  readonly directory = new LeaderDirectory([
    ["n1", "127.0.0.1:1"],
    ["n2", "127.0.0.1:2"],
  ]);
  readonly counters = new CallCounters();
  readonly channels = patientChannels();
  records: readonly StoredRecord[] = [];
  namespaces: readonly NamespaceState[] = [];
  leases: readonly LeaseStatus[] = [];
  leaseKeys: readonly Uint8Array[] = [];
  /** Those that are taken where there is no space for others. */
  readonly withoutSpace: Command[] = [];
  submitted: SubmitOutcome | (() => SubmitOutcome | Promise<SubmitOutcome>) = DONE;
  read: ReadOutcome = READY;
  transferred: TransferResult = { kind: "transferred", leaderId: "n2", term: 3 };
  storeFails: Error | null = null;
  /** Thrown by each scan behind so many chunks; the next scan is as if nothing had been. */
  scanFails: { readonly error: Error; readonly afterChunks: number } | null = null;
  membership = membershipOf(["n1", "n2", "n3"]);
  readonly changes: MembershipRequest[] = [];
  changed: MembershipOutcome | null = null;
  status: ReplicaStatus = REPLICA_STATUS;
  logLevel: LogLevel = "info";
  leaderWait: LeaderWait | undefined = undefined;
  connections: string[] = [];

  constructor(readonly memberId = "n1") {
    this.directory.replaceLeader("n1", 2);
  }

  service(changes: Partial<NodeContext> = {}): NodeService {
    return new NodeService(this.context(changes), this.channels);
  }

  context(changes: Partial<NodeContext> = {}): NodeContext {
    const node = this;
    return {
      get leaderWait() {
        return node.leaderWait;
      },
      clusterId: "c",
      memberId: this.memberId,
      storeId: "s",
      softwareVersion: "0.0.0",
      members: [],
      replica: {
        enqueue: (queued, options) => {
          const command = decodeCommand(queued.data)!;
          this.commands.push(command);
          if (options?.evenWithoutSpace === true) this.withoutSpace.push(command);
          const { submitted } = this;
          const outcome = typeof submitted === "function" ? submitted() : submitted;
          void Promise.resolve(outcome).then((settled) => queued.settle(settled));
        },
        readPoint: (request) => {
          this.reads.push(request);
          return Promise.resolve(this.read);
        },
        transferLeadership: () => Promise.resolve(this.transferred),
        status: () => this.status,
        memberStore: (id) => this.membership.members.find(({ memberId }) => memberId === id)?.storeId ?? null,
        membership: this.membership,
        changeMembership: (request) => {
          this.changes.push(request);
          return Promise.resolve(this.changed ?? { kind: "changed", membership: this.membership });
        },
        takeSnapshot: () => Promise.resolve({ index: 70, logFirstIndex: 60 }),
        namespaces: () => this.namespaces,
        meta: INITIAL_STATE.meta,
        lease: (leaseId) => this.leases.find((lease) => lease.leaseId === leaseId) ?? null,
        leasesOf: (namespaceId) => this.leases.filter((lease) => lease.namespaceId === namespaceId),
        leaseKeys: () => this.leaseKeys,
        leader: { id: "n1", term: 2 },
        state: {
          records: ({ keys, keysOnly }) => {
            if (this.storeFails !== null) return Promise.reject(this.storeFails);
            return Promise.resolve(
              keys.map((key) => {
                const found = this.records.find((record) => Buffer.compare(record.key, key) === 0);
                return found === undefined ? null : keysOnly ? { ...found, value: new Uint8Array(0) } : found;
              }),
            );
          },
          scan: (query) => {
            const fails = this.scanFails;
            this.scanFails = null;
            return scanOf(this.records, query, fails);
          },
        },
      },
      watches: {
        watchesMax: 0,
        size: 0,
        open: () => {
          throw new Error("no watches here");
        },
      },
      directory: this.directory,
      limits: DEFAULT_LIMITS,
      digest: {
        sha256: (parts) => {
          const hash = createHash("sha256");
          for (const part of parts) hash.update(part);
          return hash.digest();
        },
      },
      counters: this.counters,
      facts: {
        uptimeMs: () => 0,
        memoryBytes: () => 0,
        diskBytes: () => Promise.resolve(0),
        diskFreeBytes: () => null,
        hasFailed: () => false,
      },
      alarms: { observe: () => {}, list: [] },
      verification: null,
      administration: {
        backup: null,
        dropClient: (address) => {
          const isThere = this.connections.includes(address);
          this.connections = this.connections.filter((present) => present !== address);
          return isThere;
        },
        setLogLevel: (level) => {
          const before = this.logLevel;
          this.logLevel = level;
          return before;
        },
      },
      log: SILENT_LOG,
      forwarding: true,
      clients: () => [],
      wallMs: () => 1000,
      ...changes,
    };
  }
}

async function* scanOf(
  records: readonly StoredRecord[],
  query: { start: Uint8Array; end: Uint8Array | null; reverse: boolean; keysOnly: boolean },
  fails: { readonly error: Error; readonly afterChunks: number } | null,
): AsyncGenerator<readonly StoredRecord[]> {
  const within = records.filter(
    ({ key }) =>
      Buffer.compare(key, query.start) >= 0 && (query.end === null || Buffer.compare(key, query.end) < 0),
  );
  const ordered = query.reverse ? within.toReversed() : within;
  for (let at = 0; at < ordered.length; at += 3) {
    if (fails !== null && at >= 3 * fails.afterChunks) throw fails.error;
    yield ordered.slice(at, at + 3);
  }
}

export function stored(key: string, value: string | Uint8Array = `value of ${key}`): StoredRecord {
  const bytes = Buffer.from(value);
  return {
    key: Buffer.from(key),
    value: bytes,
    valueBytes: bytes.length,
    createRevision: 1,
    modRevision: 2,
    version: 2,
    leaseId: 0,
  };
}
