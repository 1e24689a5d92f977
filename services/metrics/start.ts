import type { Log } from "#forward";
import { conditionOf } from "./condition";
import { HttpServer } from "./http-server";
import type { Instruments } from "./instruments";
import { NodeReadings, type NodeSources } from "./node-readings";
import { ProcessReadings } from "./process-readings";

export interface MetricsOptions extends NodeSources {
  readonly instruments: Instruments;
  /** host:port */
  readonly listen: string;
  /** Whether the node is on its way down: it is then not ready any more. */
  readonly isClosing: () => boolean;
  readonly log: Log;
}

export interface RunningMetrics {
  readonly port: number;
  /** Safe to call twice. */
  close(): Promise<void>;
}

/** Serves the metrics and the health of a node over HTTP until it is closed; rejects when the port cannot be taken. */
export async function startMetrics(options: MetricsOptions): Promise<RunningMetrics> {
  const { instruments, listen, log } = options;
  const { metrics } = instruments;
  const node = new NodeReadings(metrics, options);
  const ofProcess = new ProcessReadings(metrics);
  const server = new HttpServer({
    log,
    condition: () => conditionOf(options),
    async metrics() {
      instruments.collect();
      ofProcess.collect();
      await node.collect();
      return { contentType: metrics.contentType, text: await metrics.text() };
    },
  });
  const close = async (): Promise<void> => {
    await server.close();
    node.close();
    ofProcess.close();
  };
  try {
    return { port: await server.listen(listen), close };
  } catch (error) {
    await close();
    throw error;
  }
}
