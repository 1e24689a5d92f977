import type { ByteService, MethodRoute } from "#forward";
import {
  Instruments,
  type MetricsOptions,
  type MetricsOwner,
  observeLogStore,
  observeSnapshots,
  observeStateStore,
  type RunningMetrics,
  startMetrics,
} from "#metrics";
import type { LogStore, SnapshotSource, StateStore } from "#replica";
import type { CommandObserver, EntryTraces } from "#rpc";
import { quorateTracer, traceService, WriteTraces } from "#tracing";

/** What watches a node: its instruments always, spans where they are asked for. To be put between its parts. */
export class Observation {
  readonly commands: CommandObserver;
  private readonly instruments: Instruments;
  private readonly tracedService: ((service: ByteService) => ByteService) | null;
  private readonly traces: WriteTraces | null;

  constructor(owner: MetricsOwner, options: { readonly tracing: boolean; readonly appliedIndex: number }) {
    const instruments = new Instruments(owner);
    this.instruments = instruments;
    const ended = instruments.proposalEnded.bind(instruments);
    if (!options.tracing) {
      this.traces = null;
      this.tracedService = null;
      this.commands = { submitted: () => ended };
      return;
    }
    const { memberId, softwareVersion } = owner;
    const tracer = quorateTracer(softwareVersion);
    const traces = new WriteTraces({ tracer, memberId, appliedIndex: options.appliedIndex });
    this.traces = traces;
    this.tracedService = (service) =>
      traceService(service, { tracer, attributes: { "quorate.member": memberId } });
    this.commands = {
      submitted(command, call) {
        const endSpan = traces.submitted(command, call.traceparent);
        if (endSpan === null) return ended;
        return (outcome) => {
          ended(outcome);
          endSpan(outcome);
        };
      },
    };
  }

  /** For the transport and the server of peers. */
  get entryTraces(): EntryTraces | undefined {
    return this.traces ?? undefined;
  }

  log(store: LogStore): LogStore {
    return observeLogStore(store, this.observers());
  }

  state(store: StateStore): StateStore {
    return observeStateStore(store, this.observers());
  }

  snapshots(source: SnapshotSource): SnapshotSource {
    return observeSnapshots(source, this.instruments);
  }

  service(service: ByteService): ByteService {
    return this.tracedService?.(service) ?? service;
  }

  callEnded(method: MethodRoute, code: number, elapsedMs: number): void {
    this.instruments.callEnded(method, code, elapsedMs);
  }

  /** Serves the metrics over HTTP until that is closed; rejects when the port cannot be taken. */
  serve(options: Omit<MetricsOptions, "instruments">): Promise<RunningMetrics> {
    return startMetrics({ ...options, instruments: this.instruments });
  }

  private observers(): (Instruments | WriteTraces)[] {
    return this.traces === null ? [this.instruments] : [this.instruments, this.traces];
  }
}
