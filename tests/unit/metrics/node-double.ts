import {
  type AlarmKind,
  Instruments,
  type MetricsOptions,
  type VerificationReading,
} from "@quorate/services/metrics";
import type { ReplicaListener, ReplicaStatus } from "@quorate/services/replica";

/** A node for metrics to read: every field can be set. */
export interface NodeDouble {
  status: ReplicaStatus;
  hasFailed: boolean;
  isClosing: boolean;
  alarms: readonly AlarmKind[];
  verification: VerificationReading | null;
  diskBytes: () => Promise<number>;
  readonly listeners: Set<ReplicaListener>;
  readonly options: Omit<MetricsOptions, "listen" | "log">;
  tellLeader(leaderId: string | null): void;
}

export function nodeDouble(): NodeDouble {
  const listeners = new Set<ReplicaListener>();
  const configuration = {
    voters: ["n1", "n2", "n3"],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const peer = {
    id: "n2",
    state: "replicate" as const,
    match: 40,
    next: 46,
    isLearner: false,
    isRecentlyActive: true,
    isPaused: false,
    inflightMessages: 1,
    inflightBytes: 10,
    pendingSnapshot: 0,
    needsSnapshot: false,
    isLowOnSpace: false,
  };
  const double: NodeDouble = {
    status: {
      raft: {
        id: "n1",
        role: "leader",
        term: 3,
        vote: "n1",
        leaderId: "n1",
        commit: 41,
        applied: 40,
        firstIndex: 11,
        last: { term: 3, index: 45 },
        configuration,
        transferTarget: null,
        hasLease: false,
        leaseReads: 0,
        randomizedElectionTicks: 12,
        progress: [{ ...peer, id: "n1", match: 45 }, peer],
      },
      appliedIndex: 40,
      revision: 30,
      timeMs: 5000,
      sessions: 2,
      leases: 1,
      keys: 6,
      bytes: 60,
      openCommands: 4,
      openReads: 3,
      inboxMessages: 0,
      log: { syncs: 20, entriesSynced: 40 },
      checkpointIndex: 20,
      logFirstIndex: 11,
      logBytes: 700,
      receiving: null,
      imagesInstalled: 0,
      imagesOpen: 0,
      isLowOnSpace: false,
      hasSpace: true,
    },
    hasFailed: false,
    isClosing: false,
    alarms: [],
    verification: null,
    diskBytes: async () => 1000,
    listeners,
    options: {
      instruments: new Instruments({ clusterId: "c", memberId: "n1", softwareVersion: "0.1.0" }),
      replica: {
        status: () => double.status,
        leader: { id: "n1", term: 3 },
        membership: { epoch: 1, configuration, members: [], retiredStores: [] },
        namespaces: () => [],
        subscribe(listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      watches: { size: 2, waitingBytes: 5 },
      connections: () => 3,
      connectionsCut: () => 4,
      writeOrder: { held: 11, refusals: 6 },
      streams: () => 2,
      callsForwarded: () => 9,
      hasFailed: () => double.hasFailed,
      isClosing: () => double.isClosing,
      diskBytes: () => double.diskBytes(),
      diskFreeBytes: () => 1e9,
      verification: () => double.verification,
      alarms: () => double.alarms,
    },
    tellLeader(leaderId) {
      for (const listener of listeners) listener.leaderChanged?.(leaderId, 4);
    },
  };
  return double;
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of a text of metrics. */
export function samplesOf(text: string): readonly Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) throw new Error(`no sample: ${line}`);
      const pairs = [...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name: match[1]!,
        labels: Object.fromEntries(pairs.map(([, name, value]) => [name, value])),
        value: Number(match[3]),
      };
    });
}

/** The value of the first sample of that name with these labels; null for none. */
export function sampleOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | null {
  const found = samplesOf(text).find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found?.value ?? null;
}
