import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "#forward";
import type { MemberId } from "#raft";
import {
  type ImageHeader,
  type IncomingImage,
  type OpenedState,
  type SnapshotSource,
  type StateReceiver,
  StoreFailure,
} from "#replica";

/** Brings a state from peers at a start, before there is a replica that could. */
export interface StateFetchOptions {
  readonly source: SnapshotSource;
  /** Asked again before each round, for the members may change meanwhile. In the order in which they are asked. */
  readonly peers: () => Promise<readonly MemberId[]>;
  /** Makes a place for a state. */
  readonly receive: (header: ImageHeader) => Promise<StateReceiver>;
  /** What is wrong with a state that a peer offers, in words, or null. */
  readonly fault: (header: ImageHeader) => string | null;
  /** What a peer that does not give its state says of this member's removal, in words, or null. */
  readonly removalIn: (error: unknown) => string | null;
  /** It is given up when nothing came for so long. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
}

export type StateFetchOutcome =
  /** Durable beside whatever is there; to be installed. */
  | {
      readonly kind: "fetched";
      readonly from: MemberId;
      readonly receiver: StateReceiver;
      readonly opened: OpenedState;
    }
  /** `why` is what the last peer said. */
  | { readonly kind: "failed"; readonly why: string }
  /** Nobody will give it one: the cluster has removed this member. */
  | { readonly kind: "removed"; readonly why: string }
  | { readonly kind: "aborted" };

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2000;

/** How often a stream that broke is gone on with before another peer is asked for an image of its own. */
const RESUMPTIONS_MAX = 5;

/** Rejects with StoreFailure only. Leaves nothing half received behind, however it ends. */
export async function fetchState(options: StateFetchOptions): Promise<StateFetchOutcome> {
  const { log, signal, timeoutMs } = options;
  const progress = { lastMs: performance.now() };
  let why = "no other member is known";
  let pauseMs = PAUSE_MS_MIN;
  while (!signal.aborted) {
    for (const from of await peersOf(options)) {
      const began = performance.now();
      const outcome = await fetchFrom(from, options, () => {
        progress.lastMs = performance.now();
      });
      if (outcome.kind !== "failed") return outcome;
      if (signal.aborted) return { kind: "aborted" };
      why = `${from}: ${outcome.why}`;
      if (progress.lastMs >= began) pauseMs = PAUSE_MS_MIN;
      log.info({ peer: from, reason: outcome.why }, "a peer did not give its state; another is asked");
    }
    if (performance.now() - progress.lastMs > timeoutMs) return { kind: "failed", why };
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(PAUSE_MS_MAX, 2 * pauseMs);
  }
  return { kind: "aborted" };
}

/** Whoever is to tell them may be out of reach: then nobody is asked in this round. */
async function peersOf({ peers, log }: StateFetchOptions): Promise<readonly MemberId[]> {
  try {
    return await peers();
  } catch (error) {
    log.info({ err: error }, "it is not known yet whom to ask for the state");
    return [];
  }
}

type Attempt = Exclude<StateFetchOutcome, { readonly kind: "aborted" }>;

/** One image of one peer, gone on with where its stream breaks. */
async function fetchFrom(
  from: MemberId,
  options: StateFetchOptions,
  onProgress: () => void,
): Promise<Attempt> {
  const { source, receive, fault, signal } = options;
  let place: { readonly imageId: number; readonly receiver: StateReceiver } | null = null;
  let resumptions = 0;
  let isWhole = false;
  try {
    for (;;) {
      try {
        const image: IncomingImage = await source.fetch(from, resumption(place), signal);
        const problem = fault(image.header);
        if (problem !== null) return { kind: "failed", why: problem };
        if (place === null || place.imageId !== image.imageId) {
          await place?.receiver.abandon();
          place = { imageId: image.imageId, receiver: await receive(image.header) };
        }
        isWhole = await take(image, place.receiver, signal, () => {
          resumptions = 0;
          onProgress();
        });
        if (isWhole) {
          const opened = await place.receiver.complete();
          return { kind: "fetched", from, receiver: place.receiver, opened };
        }
        if (signal.aborted) return { kind: "failed", why: "interrupted" };
        throw new Error("its stream ended too early");
      } catch (error) {
        if (error instanceof StoreFailure) throw error;
        const removal = options.removalIn(error);
        if (removal !== null) return { kind: "removed", why: removal };
        const why = error instanceof Error ? error.message : String(error);
        // What came whole and is wrong as a whole is not mended by going on with it.
        if (place === null || isWhole || signal.aborted || resumptions >= RESUMPTIONS_MAX) {
          isWhole = false;
          return { kind: "failed", why };
        }
        resumptions += 1;
        await delay(PAUSE_MS_MIN * resumptions, undefined, { signal }).catch(() => undefined);
      }
    }
  } finally {
    if (!isWhole) await place?.receiver.abandon();
  }
}

function resumption(
  place: { readonly imageId: number; readonly receiver: StateReceiver } | null,
): { readonly imageId: number; readonly position: Uint8Array } | null {
  const position = place?.receiver.position ?? null;
  return place === null || position === null ? null : { imageId: place.imageId, position };
}

/** Whether the last chunk came. */
async function take(
  image: IncomingImage,
  receiver: StateReceiver,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<boolean> {
  for await (const chunk of image.chunks) {
    if (signal.aborted) return false;
    await receiver.put(chunk);
    onProgress();
    if (chunk.isLast) return true;
  }
  return false;
}
