import { type KvEvent, QuorateError, type Watch } from "@quorate/client";
import { FakeWatchCluster, type FrameFate, type FrameView } from "./fake-watch-cluster";

/** Addresses of endpoints. */
export const A = "127.0.0.1:1";
export const B = "127.0.0.1:2";
export const C = "127.0.0.1:3";

/** An event as the fake describes it. */
export function told(event: KvEvent): string {
  switch (event.kind) {
    case "put":
      return `${event.revision} put ${event.key}=${event.record.text()}`;
    case "delete":
      return `${event.revision} delete ${event.key}`;
    case "truncated":
      return `${event.revision} truncated`;
    case "current":
      return `current ${event.record.key}=${event.record.text()}`;
    case "synced":
      return `synced ${event.revision}`;
  }
}

/** Takes events until one fits, and ends the watch. */
export async function takenUntil(watch: Watch, last: (event: string) => boolean): Promise<string[]> {
  const taken: string[] = [];
  for await (const event of watch) {
    taken.push(told(event));
    if (last(told(event))) break;
  }
  return taken;
}

/** Takes events up to the first change of a revision, and ends the watch. */
export function takenUpTo(cluster: FakeWatchCluster, watch: Watch, revision: number): Promise<string[]> {
  const last = cluster.changesFrom(revision)[0];
  return cluster.timing.drive(takenUntil(watch, (event) => event === last));
}

/** How many streams are open once what was closed has ended. */
export async function openStreams(cluster: FakeWatchCluster): Promise<number> {
  await cluster.timing.drive(cluster.passMs(5));
  return cluster.openStreams;
}

/** What the work fails with. */
export async function failureOf(cluster: FakeWatchCluster, work: Promise<unknown>): Promise<QuorateError> {
  return cluster.timing.drive(
    work.then(
      () => Promise.reject(new Error("it did not fail")),
      (error: unknown) => QuorateError.from(error),
    ),
  );
}

/** A cluster with 20 revisions: of five changes, of one, with deletions. */
export function filled(addresses = `${A},${B},${C}`): FakeWatchCluster {
  const cluster = new FakeWatchCluster(addresses);
  for (let at = 0; at < 5; at += 1) {
    cluster.write(...["a", "b", "c", "d", "e"].map((key) => [key, `${at}`] as const));
    cluster.write(["a", "again"]);
    cluster.write(["b", null], ["c", null]);
    cluster.write([`f${at}`, "x"]);
  }
  cluster.write(["z", "last"]);
  return cluster;
}

/** Does `fate` with the first frame that fits, and sends all others. */
export function once(fits: (frame: FrameView) => boolean, fate: FrameFate): (frame: FrameView) => FrameFate {
  let done = false;
  return (frame) => {
    if (done || !fits(frame)) return "send";
    done = true;
    return fate;
  };
}
