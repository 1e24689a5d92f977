import { Status } from "nice-grpc-common";
import type { MethodRoute } from "#forward";
import type { EntryId } from "#raft";
import type { ImageChunk, LogBatch, SubmitOutcome } from "#replica";
import { MetricSet } from "./metric-set";
import type { LogObserver } from "./observed-log-store";
import type { SnapshotObserver } from "./observed-snapshots";
import type { StateObserver } from "./observed-state-store";

/** Whose metrics they are: each metric is labelled with it. */
export interface MetricsOwner {
  readonly clusterId: string;
  readonly memberId: string;
  readonly softwareVersion: string;
}

/** How a command of a caller ended, as a label. */
export type ProposalOutcome = "applied" | "refused" | "not_applied" | "unknown";

/**
 * What is counted and timed where it happens: all the rest is read when it is asked for. To be made before the parts of
 * a node that it is put between.
 */
export class Instruments implements LogObserver, StateObserver, SnapshotObserver {
  readonly metrics: MetricSet;
  private readonly observeSync: (seconds: number) => void;
  private readonly observeSyncEntries: (entries: number) => void;
  private readonly observeApply: (seconds: number) => void;
  private readonly observeApplyEntries: (entries: number) => void;
  private readonly calls = new Map<MethodRoute, Map<number, (seconds: number) => void>>();
  private readonly proposals: Record<ProposalOutcome, number> = {
    applied: 0,
    refused: 0,
    not_applied: 0,
    unknown: 0,
  };
  private sentBytes = 0;
  private sentImages = 0;
  private receivedBytes = 0;
  private receivedImages = 0;
  private resumptions = 0;

  constructor({ clusterId, memberId, softwareVersion }: MetricsOwner) {
    this.metrics = new MetricSet({ cluster: clusterId, member: memberId });
    this.metrics.set("quorate_build_info", 1, { version: softwareVersion, node_version: process.version });
    this.observeSync = this.metrics.observer("quorate_log_sync_seconds");
    this.observeSyncEntries = this.metrics.observer("quorate_log_entries_per_sync");
    this.observeApply = this.metrics.observer("quorate_apply_batch_seconds");
    this.observeApplyEntries = this.metrics.observer("quorate_apply_batch_entries");
  }

  /** A call of a public method has ended; to be told of all of them. */
  callEnded(method: MethodRoute, code: number, elapsedMs: number): void {
    let byCode = this.calls.get(method);
    if (byCode === undefined) {
      byCode = new Map();
      this.calls.set(method, byCode);
    }
    let observe = byCode.get(code);
    if (observe === undefined) {
      observe = this.metrics.observer("quorate_call_seconds", {
        method: method.path.slice(1),
        code: Status[code] ?? String(code),
      });
      byCode.set(code, observe);
    }
    observe(elapsedMs / 1000);
  }

  /** A caller's command has come to its end. */
  proposalEnded(outcome: SubmitOutcome): void {
    const isRefusal = outcome.kind === "applied" && outcome.answer.result?.$case === "refused";
    this.proposals[isRefusal ? "refused" : outcome.kind] += 1;
  }

  appended({ entries }: LogBatch, sync: boolean, startMs: number, endMs: number): void {
    if (!sync) return;
    this.observeSync((endMs - startMs) / 1000);
    this.observeSyncEntries(entries.length);
  }

  applied(previous: EntryId, last: EntryId, startMs: number, endMs: number): void {
    this.observeApply((endMs - startMs) / 1000);
    this.observeApplyEntries(last.index - previous.index);
  }

  imageChunkRead({ data, isLast }: ImageChunk): void {
    this.sentBytes += data.length;
    if (isLast) this.sentImages += 1;
  }

  imageBegun(isResumed: boolean): void {
    if (isResumed) this.resumptions += 1;
  }

  imageChunkReceived({ data, isLast }: ImageChunk): void {
    this.receivedBytes += data.length;
    if (isLast) this.receivedImages += 1;
  }

  /** Brings the totals that are kept here into the metrics. */
  collect(): void {
    const { metrics } = this;
    for (const [outcome, count] of Object.entries(this.proposals)) {
      metrics.setTotal("quorate_proposals_total", count, { outcome });
    }
    metrics.setTotal("quorate_snapshots_sent_total", this.sentImages);
    metrics.setTotal("quorate_snapshot_sent_bytes_total", this.sentBytes);
    metrics.setTotal("quorate_snapshots_received_total", this.receivedImages);
    metrics.setTotal("quorate_snapshot_received_bytes_total", this.receivedBytes);
    metrics.setTotal("quorate_snapshots_resumed_total", this.resumptions);
  }
}
