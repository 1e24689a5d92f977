import type { ProgressStatus, RaftStatus } from "#raft";
import type { Replica, ReplicaListener, ReplicaStatus } from "#replica";
import type { VerificationStatus } from "#verification";
import type { MetricSet } from "./metric-set";

/** What an alarm may be about, by the names of quorate.cluster.v1.AlarmKind. */
export const ALARM_KINDS = ["no_space", "diverged", "member_down"] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

/** How the comparison of the replicas stands at this member. */
export type VerificationReading = Pick<
  VerificationStatus,
  | "round"
  | "agreedRound"
  | "buckets"
  | "dirtyBuckets"
  | "diverged"
  | "isSplit"
  | "isWrong"
  | "recordsRepaired"
  | "statesReplaced"
  | "rounds"
  | "keysHashed"
  | "hashingMs"
  | "bytesMoved"
  | "bytesServed"
>;

/** What the metrics of a node are read from, when they are asked for. */
export interface NodeSources {
  readonly replica: Pick<Replica, "status" | "leader" | "membership" | "namespaces" | "subscribe">;
  readonly watches: { readonly size: number; readonly waitingBytes: number };
  /** Connections of clients that are open. */
  readonly connections: () => number;
  /** Those that were ended since their clients did not take what they had asked for, since the start. */
  readonly connectionsCut: () => number;
  readonly writeOrder: { readonly held: number; readonly refusals: number };
  /** Streams both ways that clients have open. */
  readonly streams: () => number;
  /** Calls that were passed on, since the start. */
  readonly callsForwarded: () => number;
  readonly hasFailed: () => boolean;
  readonly diskBytes: () => Promise<number>;
  /** null while it is not known. */
  readonly diskFreeBytes: () => number | null;
  /** null where replicas are not compared. */
  readonly verification: () => VerificationReading | null;
  /** The kinds of the alarms that are raised, one for each. */
  readonly alarms: () => readonly AlarmKind[];
}

/** Beyond this the size of the data directory is what it was at the last scrape. */
const DISK_WALK_MS_MAX = 1000;

const ROLES = ["follower", "pre_candidate", "candidate", "leader", "learner"] as const;

/** Reads what a node knows into its metrics, and counts what it says as it happens. */
export class NodeReadings implements ReplicaListener {
  private readonly unsubscribe: () => void;
  private leaderId: string | null;
  private lastLeaderId: string | null;

  constructor(
    private readonly metrics: MetricSet,
    private readonly sources: NodeSources,
  ) {
    this.leaderId = sources.replica.leader.id;
    this.lastLeaderId = this.leaderId;
    this.unsubscribe = sources.replica.subscribe(this);
  }

  leaderChanged(leaderId: string | null): void {
    const { metrics, leaderId: previous } = this;
    this.leaderId = leaderId;
    if (leaderId === null) {
      if (previous !== null) metrics.add("quorate_raft_leader_losses_total", 1);
      return;
    }
    if (leaderId !== this.lastLeaderId) metrics.add("quorate_raft_leader_changes_total", 1);
    this.lastLeaderId = leaderId;
    if (leaderId === this.sources.replica.status().raft.id)
      metrics.add("quorate_raft_elections_won_total", 1);
  }

  messageRefused(): void {
    this.metrics.add("quorate_raft_messages_refused_total", 1);
  }

  async collect(): Promise<void> {
    const { metrics, sources } = this;
    const status = sources.replica.status();
    this.readRaft(status.raft);
    this.readReplica(status);
    this.readPeers(status.raft);
    const { epoch, configuration } = sources.replica.membership;
    metrics.set("quorate_membership_epoch", epoch);
    metrics.set("quorate_membership_voters", configuration.voters.length);
    metrics.set("quorate_membership_learners", configuration.learners.length);
    metrics.set("quorate_membership_changing", flag(configuration.votersOutgoing.length > 0));
    metrics.set("quorate_state_namespaces", sources.replica.namespaces().length);
    metrics.set("quorate_store_failed", flag(sources.hasFailed()));
    metrics.set("quorate_client_connections", sources.connections());
    metrics.setTotal("quorate_client_connections_cut_total", sources.connectionsCut());
    metrics.set("quorate_client_streams", sources.streams());
    metrics.setTotal("quorate_writes_held_total", sources.writeOrder.held);
    metrics.setTotal("quorate_writes_refused_total", sources.writeOrder.refusals);
    metrics.setTotal("quorate_calls_forwarded_total", sources.callsForwarded());
    metrics.set("quorate_watches", sources.watches.size);
    metrics.set("quorate_watch_waiting_bytes", sources.watches.waitingBytes);
    this.readVerification(sources.verification());
    const raised = sources.alarms();
    metrics.replace(
      "quorate_alarms",
      ALARM_KINDS.map((kind) => ({
        labels: { kind },
        value: raised.filter((one) => one === kind).length,
      })),
    );
    const freeBytes = sources.diskFreeBytes();
    if (freeBytes !== null) metrics.set("quorate_disk_free_bytes", freeBytes);
    const usedBytes = await within(sources.diskBytes(), DISK_WALK_MS_MAX);
    if (usedBytes !== null) metrics.set("quorate_disk_used_bytes", usedBytes);
  }

  /** Safe to call twice. */
  close(): void {
    this.unsubscribe();
  }

  private readRaft(raft: RaftStatus): void {
    const { metrics } = this;
    const isLearner = raft.configuration.learners.includes(raft.id);
    const own = isLearner ? "learner" : raft.role;
    metrics.set("quorate_raft_term", raft.term);
    metrics.set("quorate_raft_is_leader", flag(raft.role === "leader"));
    metrics.set("quorate_raft_has_leader", flag(raft.leaderId !== null));
    for (const role of ROLES) metrics.set("quorate_raft_role", flag(role === own), { role });
    metrics.set("quorate_raft_transferring", flag(raft.transferTarget !== null));
    metrics.set("quorate_raft_has_lease", flag(raft.hasLease));
    metrics.setTotal("quorate_raft_lease_reads_total", raft.leaseReads);
    metrics.set("quorate_raft_last_index", raft.last.index);
    metrics.set("quorate_raft_commit_index", raft.commit);
  }

  private readReplica(status: ReplicaStatus): void {
    const { metrics } = this;
    const { raft } = status;
    metrics.set("quorate_raft_applied_index", status.appliedIndex);
    metrics.set("quorate_raft_apply_lag_entries", Math.max(0, raft.commit - status.appliedIndex));
    metrics.set("quorate_raft_inbox_messages", status.inboxMessages);
    metrics.set("quorate_proposals_pending", status.openCommands);
    metrics.set("quorate_reads_waiting", status.openReads);
    metrics.setTotal("quorate_log_syncs_total", status.log.syncs);
    metrics.setTotal("quorate_log_entries_synced_total", status.log.entriesSynced);
    metrics.set("quorate_log_first_index", status.logFirstIndex);
    metrics.set("quorate_log_entries", Math.max(0, raft.last.index - status.logFirstIndex + 1));
    metrics.set("quorate_log_bytes", status.logBytes);
    metrics.set("quorate_state_revision", status.revision);
    metrics.set("quorate_state_keys", status.keys);
    metrics.set("quorate_state_bytes", status.bytes);
    metrics.set("quorate_state_sessions", status.sessions);
    metrics.set("quorate_state_leases", status.leases);
    metrics.set("quorate_state_time_seconds", status.timeMs / 1000);
    metrics.set("quorate_state_checkpoint_index", status.checkpointIndex);
    metrics.set("quorate_disk_low_on_space", flag(status.isLowOnSpace));
    metrics.set("quorate_writes_accepted", flag(status.hasSpace));
    metrics.set("quorate_snapshots_sending", status.imagesOpen);
    metrics.set("quorate_snapshot_receiving", flag(status.receiving !== null));
    metrics.setTotal("quorate_snapshots_installed_total", status.imagesInstalled);
  }

  private readPeers(raft: RaftStatus): void {
    const { metrics } = this;
    const peers = (raft.progress ?? []).filter(({ id }) => id !== raft.id);
    const values = (read: (peer: ProgressStatus) => number) =>
      peers.map((peer) => ({ labels: { peer: peer.id }, value: read(peer) }));
    metrics.replace(
      "quorate_peer_lag_entries",
      values(({ match }) => Math.max(0, raft.last.index - match)),
    );
    metrics.replace(
      "quorate_peer_active",
      values((peer) => flag(peer.isRecentlyActive)),
    );
    metrics.replace(
      "quorate_peer_inflight_messages",
      values((peer) => peer.inflightMessages),
    );
    metrics.replace(
      "quorate_peer_needs_snapshot",
      values((peer) => flag(peer.needsSnapshot)),
    );
    metrics.replace(
      "quorate_peer_low_on_space",
      values((peer) => flag(peer.isLowOnSpace)),
    );
  }

  private readVerification(reading: VerificationReading | null): void {
    if (reading === null) return;
    const { metrics } = this;
    metrics.set("quorate_verification_round", reading.round);
    metrics.set("quorate_verification_agreed_round", reading.agreedRound);
    metrics.set("quorate_verification_buckets", reading.buckets);
    metrics.set("quorate_verification_dirty_buckets", reading.dirtyBuckets);
    // A member that knows of itself need not lead, and then knows of no other.
    metrics.set(
      "quorate_verification_diverged_members",
      Math.max(reading.diverged.length, flag(reading.isWrong)),
    );
    metrics.set("quorate_verification_split", flag(reading.isSplit));
    metrics.setTotal("quorate_verification_repaired_records_total", reading.recordsRepaired);
    metrics.setTotal("quorate_verification_replaced_states_total", reading.statesReplaced);
    metrics.setTotal("quorate_verification_hashed_rounds_total", reading.rounds);
    metrics.setTotal("quorate_verification_hashed_keys_total", reading.keysHashed);
    metrics.setTotal("quorate_verification_hashing_seconds_total", reading.hashingMs / 1000);
    metrics.setTotal("quorate_verification_taken_bytes_total", reading.bytesMoved);
    metrics.setTotal("quorate_verification_served_bytes_total", reading.bytesServed);
  }
}

function flag(isSet: boolean): number {
  return isSet ? 1 : 0;
}

/** null when it takes longer, or fails: nothing of a scrape waits for a disk. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
