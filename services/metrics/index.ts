export { APPLY_LAG_ENTRIES_MAX, type Condition } from "./condition";
export { COMMON_LABELS, definitions, type MetricDefinition, type MetricName } from "./definitions";
export { Instruments, type MetricsOwner, type ProposalOutcome } from "./instruments";
export { ALARM_KINDS, type AlarmKind, type NodeSources, type VerificationReading } from "./node-readings";
export { type LogObserver, observeLogStore } from "./observed-log-store";
export { observeSnapshots, type SnapshotObserver } from "./observed-snapshots";
export { observeStateStore, type StateObserver } from "./observed-state-store";
export { type MetricsOptions, type RunningMetrics, startMetrics } from "./start";
