import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type Quorate } from "@quorate/client";
import { seededRandom } from "@quorate/services/std";
import type { BenchCluster } from "../bench-cluster";
import { typedDriver } from "../drivers/typed";
import { KeySpace, keyAt, valuesOf } from "../key-space";
import { describeMachine } from "../machine";
import { supplyOf } from "../operations";
import { usageOf } from "../process-usage";
import { SteadyLoad } from "../steady-load";
import type { NodeSample, SoakSample } from "./figures";
import type { SoakOptions } from "./options";
import { soakHtml } from "./picture";
import { judgementsOf, type SoakReport, soakText } from "./report";

const FILL_IN_FLIGHT = 128;

/** Loads the cluster for the length of the run, judges what was measured, and writes it down. */
export async function soak(
  cluster: BenchCluster,
  options: SoakOptions,
  say: (line: string) => void,
): Promise<SoakReport> {
  const machine = describeMachine(cluster.directory);
  await fill(cluster, options, say);
  const seats = await Promise.all(cluster.members.map((member, at) => seatOf(cluster, member, options, at)));
  const samples: SoakSample[] = [];
  let operations = 0;
  let failed = 0;
  const startedAtMs = performance.now();
  const count = Math.max(1, Math.round((options.minutes * 60) / options.sampleSeconds));
  try {
    for (let at = 1; at <= count; at += 1) {
      await until(startedAtMs + at * options.sampleSeconds * 1000);
      const atSeconds = (performance.now() - startedAtMs) / 1000;
      const nodes = await Promise.all(
        seats.map(async (seat) => [seat.id, await sampleOf(cluster, seat)] as const),
      );
      samples.push({ atSeconds, nodes: Object.fromEntries(nodes) });
      for (const [, node] of nodes) {
        operations += node.operations;
        failed += node.failed;
      }
      say(lineOf(atSeconds, nodes));
    }
  } finally {
    await Promise.all(seats.map(({ load }) => load.stop()));
    await Promise.all(seats.map(({ client }) => client.close()));
  }
  const failure = seats.map(({ load }) => load.failure).find((thrown) => thrown !== null);
  const report: SoakReport = {
    machine,
    options,
    samples,
    operations,
    failed,
    failure: failure === undefined ? null : String(failure),
    judgements: judgementsOf(samples, options),
  };
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, "soak.json"), JSON.stringify(report, null, 2));
  writeFileSync(join(options.out, "soak.html"), soakHtml(report));
  say(soakText(report));
  say(`written to ${options.out}`);
  return report;
}

/** A node, and the part of the load that goes through it. */
interface Seat {
  readonly id: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly client: Quorate;
  readonly load: SteadyLoad;
}

async function seatOf(
  cluster: BenchCluster,
  { id, clientAddress, httpAddress }: BenchCluster["members"][number],
  options: SoakOptions,
  at: number,
): Promise<Seat> {
  const client = connect({ endpoints: clientAddress, followMembers: false });
  const operation = await supplyOf("mixed", typedDriver(client), new KeySpace(options), options.seed + at);
  const load = new SteadyLoad(operation, options.rate / cluster.members.length);
  return { id, address: clientAddress, httpAddress, client, load };
}

/** All keys once, and as many revisions as the nodes keep. */
async function fill(cluster: BenchCluster, options: SoakOptions, say: (line: string) => void): Promise<void> {
  const client = await cluster.client("leader");
  const total = Math.max(options.keys, options.historyRevisions);
  const values = valuesOf(options.valueBytes, seededRandom(options.seed));
  const startedAtMs = performance.now();
  let next = 0;
  const writer = async () => {
    for (let at = next++; at < total; at = next++)
      await client.kv.put(keyAt(at % options.keys), values[at % values.length] as Buffer);
  };
  await Promise.all(Array.from({ length: FILL_IN_FLIGHT }, writer));
  await client.close();
  await cluster.level();
  const seconds = (performance.now() - startedAtMs) / 1000;
  say(`${total} writes before the load, in ${seconds.toFixed(0)} s (${(total / seconds).toFixed(0)}/s)`);
}

async function sampleOf(cluster: BenchCluster, seat: Seat): Promise<NodeSample> {
  const { operations, failed, p50Ms, p99Ms } = seat.load.window();
  const pid = cluster.pids().get(seat.id);
  if (pid === undefined) throw new Error(`${seat.id} has ended`);
  const [status, heapBytes] = await Promise.all([
    seat.client.cluster.status({ address: seat.address }),
    heapOf(seat.httpAddress),
  ]);
  return {
    operations,
    failed,
    rssBytes: usageOf(pid).rssBytes,
    heapBytes,
    diskBytes: status.diskBytes,
    handles: readdirSync(`/proc/${pid}/fd`).length,
    p50Ms,
    p99Ms,
  };
}

async function heapOf(httpAddress: string): Promise<number> {
  const text = await (await fetch(`http://${httpAddress}/metrics`)).text();
  const value = /^nodejs_heap_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1];
  if (value === undefined) throw new Error(`${httpAddress} tells nothing of its heap`);
  return Number(value);
}

function lineOf(atSeconds: number, nodes: readonly (readonly [string, NodeSample])[]): string {
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);
  const parts = nodes.map(
    ([id, { rssBytes, heapBytes, diskBytes, handles, p50Ms, p99Ms }]) =>
      `${id} ${mib(rssBytes)}/${mib(heapBytes)}/${mib(diskBytes)} MiB ${handles} fd ${p50Ms.toFixed(1)}/${p99Ms.toFixed(1)} ms`,
  );
  return `${atSeconds.toFixed(0).padStart(5)} s  ${parts.join("  ")}`;
}

/** The pace of the samples, which nothing can happen before. */
function until(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
}
