/** One metric as it is exposed. `help` is what Prometheus shows beside it; docs/operations/metrics.md says what is normal. */
export interface MetricDefinition {
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  /** Besides `cluster` and `member`, which every metric has. */
  readonly labels?: readonly string[];
  /** Upper bounds, of histograms only. */
  readonly buckets?: readonly number[];
}

const SYNC_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];
const CALL_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const GC_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const ENTRIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/** Every metric of a node. What is not here is not exposed. */
export const definitions = {
  quorate_build_info: {
    type: "gauge",
    help: "Always 1: which software runs.",
    labels: ["version", "node_version"],
  },

  quorate_raft_term: { type: "gauge", help: "The Raft term of this member." },
  quorate_raft_is_leader: { type: "gauge", help: "1 on the leader." },
  quorate_raft_has_leader: { type: "gauge", help: "1 while this member knows a leader." },
  quorate_raft_role: { type: "gauge", help: "1 at the part that this member plays.", labels: ["role"] },
  quorate_raft_leader_changes_total: {
    type: "counter",
    help: "How often a leader became known that was not the one known before.",
  },
  quorate_raft_leader_losses_total: {
    type: "counter",
    help: "How often this member ceased to know a leader.",
  },
  quorate_raft_elections_won_total: { type: "counter", help: "How often this member became leader." },
  quorate_raft_transferring: { type: "gauge", help: "1 while this leader hands over." },
  quorate_raft_messages_refused_total: {
    type: "counter",
    help: "Messages of peers that no correct member sends.",
  },
  quorate_raft_inbox_messages: { type: "gauge", help: "Messages of peers that wait to be taken in." },
  quorate_raft_last_index: { type: "gauge", help: "The index of the last entry in the log." },
  quorate_raft_commit_index: {
    type: "gauge",
    help: "Up to where the log is committed, as this member knows.",
  },
  quorate_raft_applied_index: { type: "gauge", help: "Up to where the log is applied here." },
  quorate_raft_apply_lag_entries: { type: "gauge", help: "Committed entries that are not applied here yet." },

  quorate_membership_epoch: { type: "gauge", help: "How many changes of the membership were applied." },
  quorate_membership_voters: { type: "gauge", help: "Members that vote." },
  quorate_membership_learners: { type: "gauge", help: "Members that do not vote." },
  quorate_membership_changing: {
    type: "gauge",
    help: "1 between the two halves of a change of several members.",
  },
  quorate_peer_lag_entries: {
    type: "gauge",
    help: "Entries that a peer is behind; on the leader only.",
    labels: ["peer"],
  },
  quorate_peer_active: {
    type: "gauge",
    help: "1 while a peer answers; on the leader only.",
    labels: ["peer"],
  },
  quorate_peer_inflight_messages: {
    type: "gauge",
    help: "Messages with entries that a peer has not answered; on the leader only.",
    labels: ["peer"],
  },
  quorate_peer_needs_snapshot: {
    type: "gauge",
    help: "1 while only a snapshot can help a peer; on the leader only.",
    labels: ["peer"],
  },
  quorate_peer_low_on_space: {
    type: "gauge",
    help: "1 while a peer's disk is nearly full; on the leader only.",
    labels: ["peer"],
  },

  quorate_proposals_total: {
    type: "counter",
    help: "Commands of callers by how they ended.",
    labels: ["outcome"],
  },
  quorate_proposals_pending: { type: "gauge", help: "Commands without an outcome." },
  quorate_raft_has_lease: { type: "gauge", help: "1 while this leader reads without asking the others." },
  quorate_raft_lease_reads_total: {
    type: "counter",
    help: "Read points that this leader gave by its lease, each for one read or many.",
  },
  quorate_reads_waiting: { type: "gauge", help: "Reads that wait for the quorum, an index or a revision." },

  quorate_log_syncs_total: { type: "counter", help: "Synced writes of the log." },
  quorate_log_entries_synced_total: { type: "counter", help: "Entries in the synced writes of the log." },
  quorate_log_sync_seconds: {
    type: "histogram",
    help: "How long a synced write of the log takes.",
    buckets: SYNC_SECONDS,
  },
  quorate_log_entries_per_sync: {
    type: "histogram",
    help: "Entries in one synced write of the log.",
    buckets: ENTRIES,
  },
  quorate_log_first_index: { type: "gauge", help: "The first index that the log holds." },
  quorate_log_entries: { type: "gauge", help: "Entries in the log." },
  quorate_log_bytes: { type: "gauge", help: "About what the entries in the log take." },

  quorate_apply_batch_seconds: {
    type: "histogram",
    help: "From the first read for a batch of committed entries until what they did is written.",
    buckets: SYNC_SECONDS,
  },
  quorate_apply_batch_entries: {
    type: "histogram",
    help: "Entries that were applied together.",
    buckets: ENTRIES,
  },

  quorate_state_revision: { type: "gauge", help: "The revision of the state." },
  quorate_state_keys: { type: "gauge", help: "Keys in all namespaces." },
  quorate_state_bytes: { type: "gauge", help: "Bytes of the keys and their newest values." },
  quorate_state_namespaces: { type: "gauge", help: "Namespaces." },
  quorate_state_sessions: { type: "gauge", help: "Open sessions." },
  quorate_state_leases: { type: "gauge", help: "Open leases." },
  quorate_state_time_seconds: { type: "gauge", help: "Replicated time, since the cluster began." },
  quorate_state_checkpoint_index: {
    type: "gauge",
    help: "Up to where no crash takes anything from the state.",
  },

  quorate_disk_used_bytes: { type: "gauge", help: "The size of the data directory." },
  quorate_disk_free_bytes: { type: "gauge", help: "Free bytes of the file system of the data directory." },
  quorate_disk_low_on_space: { type: "gauge", help: "1 while this member's disk is nearly full." },
  quorate_writes_accepted: { type: "gauge", help: "0 while writes are refused for want of disk space." },
  quorate_store_failed: { type: "gauge", help: "1 once a store has failed: the node is to be restarted." },

  quorate_call_seconds: {
    type: "histogram",
    help: "How long calls of the public services took, by method and gRPC code.",
    labels: ["method", "code"],
    buckets: CALL_SECONDS,
  },
  quorate_calls_forwarded_total: {
    type: "counter",
    help: "Calls that were passed on to the member they are for.",
  },
  quorate_writes_held_total: {
    type: "counter",
    help: "Writes that overtook the one that they follow, and waited for it.",
  },
  quorate_writes_refused_total: {
    type: "counter",
    help: "Writes that follow another and came to nothing, as out of order or without a leader: their clients send them again.",
  },
  quorate_client_connections: { type: "gauge", help: "Connections of clients and gateways." },
  quorate_client_connections_cut_total: {
    type: "counter",
    help: "Connections that were ended since their clients did not take what they had asked for.",
  },
  quorate_client_streams: {
    type: "gauge",
    help: "Streams both ways that clients have open: one or more for watches, one for leases. Pipelines are none of them: their calls are counted as calls.",
  },
  quorate_watches: { type: "gauge", help: "Open watches." },
  quorate_watch_waiting_bytes: {
    type: "gauge",
    help: "Bytes of changes that wait for watches to take them.",
  },

  quorate_snapshots_sending: { type: "gauge", help: "Images of the state that are being sent." },
  quorate_snapshots_sent_total: {
    type: "counter",
    help: "Images of the state that were read whole, for peers and backups.",
  },
  quorate_snapshot_sent_bytes_total: {
    type: "counter",
    help: "Bytes of images of the state that were read, for peers and backups.",
  },
  quorate_snapshot_receiving: {
    type: "gauge",
    help: "1 while an image of a peer's state is being received.",
  },
  quorate_snapshots_received_total: { type: "counter", help: "Images of peers' states that came whole." },
  quorate_snapshot_received_bytes_total: {
    type: "counter",
    help: "Bytes of images of peers' states that came.",
  },
  quorate_snapshots_resumed_total: {
    type: "counter",
    help: "How often an image was gone on with after its stream broke.",
  },
  quorate_snapshots_installed_total: {
    type: "counter",
    help: "Images that took the place of this member's state.",
  },

  quorate_verification_round: { type: "gauge", help: "The last round of comparison that is applied here." },
  quorate_verification_agreed_round: {
    type: "gauge",
    help: "The last round in which all voters were found equal; on the leader only.",
  },
  quorate_verification_buckets: { type: "gauge", help: "Ranges of keys that are hashed as one." },
  quorate_verification_dirty_buckets: {
    type: "gauge",
    help: "Ranges of keys that changed since they were hashed.",
  },
  quorate_verification_diverged_members: {
    type: "gauge",
    help: "Members that differ from the majority, as far as this member knows; the leader knows of all.",
  },
  quorate_verification_split: {
    type: "gauge",
    help: "1 where the last comparison found no majority; on the leader only.",
  },
  quorate_verification_repaired_records_total: {
    type: "counter",
    help: "Records that were put right here.",
  },
  quorate_verification_replaced_states_total: {
    type: "counter",
    help: "How often this member took its whole state anew, for more than records differed.",
  },
  quorate_verification_hashed_rounds_total: { type: "counter", help: "Rounds that were hashed here." },
  quorate_verification_hashed_keys_total: { type: "counter", help: "Keys that were hashed here." },
  quorate_verification_hashing_seconds_total: {
    type: "counter",
    help: "Time that the rounds took from first to last hash.",
  },
  quorate_verification_taken_bytes_total: {
    type: "counter",
    help: "Bytes that this member took from others to compare and repair.",
  },
  quorate_verification_served_bytes_total: {
    type: "counter",
    help: "Bytes that this member gave to others to compare and repair.",
  },

  quorate_alarms: {
    type: "gauge",
    help: "What an operator should know of, by kind; 0 where all is well.",
    labels: ["kind"],
  },

  process_cpu_seconds_total: { type: "counter", help: "CPU time of the process, user and system." },
  process_resident_memory_bytes: { type: "gauge", help: "Resident memory." },
  process_start_time_seconds: { type: "gauge", help: "When the process began, in seconds since 1970." },
  process_open_fds: { type: "gauge", help: "Open file descriptors; Linux only." },
  process_max_fds: { type: "gauge", help: "How many file descriptors may be open; Linux only." },
  nodejs_heap_used_bytes: { type: "gauge", help: "What JavaScript objects take." },
  nodejs_heap_total_bytes: { type: "gauge", help: "What V8 has taken for its heap." },
  nodejs_external_memory_bytes: {
    type: "gauge",
    help: "What C++ objects bound to JavaScript ones take, buffers included.",
  },
  nodejs_eventloop_delay_seconds: {
    type: "gauge",
    help: "By how much the event loop was late since the scrape before, by quantile.",
    labels: ["quantile"],
  },
  nodejs_eventloop_utilization: {
    type: "gauge",
    help: "The share of time in which the event loop was busy since the scrape before.",
  },
  nodejs_gc_seconds: {
    type: "histogram",
    help: "How long garbage collections took, by kind.",
    labels: ["kind"],
    buckets: GC_SECONDS,
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof definitions;

type NamesOf<Type extends MetricDefinition["type"]> = {
  [Name in MetricName]: (typeof definitions)[Name]["type"] extends Type ? Name : never;
}[MetricName];

export type GaugeName = NamesOf<"gauge">;
export type CounterName = NamesOf<"counter">;
export type HistogramName = NamesOf<"histogram">;

/** What every metric is labelled with. */
export const COMMON_LABELS = ["cluster", "member"] as const;
