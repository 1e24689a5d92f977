import type { StoredRecord } from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import { bytesEqual, hexEncode } from "@quorate/services/std";
import type { ReadEvent, ReadRefusedEvent } from "../clients/events";
import { broken } from "./invariant";
import { type Reference, recordText } from "./reference";

interface Acknowledgement {
  /** Of the member's own monotonic clock. */
  readonly atMs: number;
  /** Everything up to here was acknowledged to someone. */
  readonly revision: number;
}

/**
 * What a read may answer besides being linearizable (invariant 6): the state at some index of the committed log, not
 * older than the bound it was given, and not before what the client has seen.
 *
 * The bound is counted on the clock of the member that answers, from the moment at which the read came to it. That is
 * all that can be promised: a clock that runs at rate r makes a bound of m milliseconds one of m / r, one that stands
 * still none at all.
 */
export class ReadChecks {
  private readonly acknowledged = new Map<MemberId, Acknowledgement[]>();
  private acknowledgedRevision = 0;

  constructor(
    private readonly reference: Pick<Reference, "revisionAt" | "recordAt" | "textAt" | "oldestRevisionEver">,
  ) {}

  /** A write was acknowledged; `clocks` are the members' monotonic clocks at that moment. */
  wrote(revision: number, clocks: readonly { readonly id: MemberId; readonly monotonicMs: number }[]): void {
    if (revision <= this.acknowledgedRevision) return;
    this.acknowledgedRevision = revision;
    for (const { id, monotonicMs } of clocks) {
      const known = this.acknowledged.get(id);
      if (known === undefined) this.acknowledged.set(id, [{ atMs: monotonicMs, revision }]);
      else known.push({ atMs: monotonicMs, revision });
    }
  }

  read(event: ReadEvent): void {
    this.checkPrefix(event);
    this.checkPast(event);
    this.checkBound(event);
    this.checkSession(event);
  }

  /**
   * A past revision is refused only where it was given up, and one as yet unknown only where nobody was told of it before
   * the read came.
   */
  refused({ member, client, request, outcome, arrivedMs }: ReadRefusedEvent): void {
    const told = `${member} tells ${client}, which asks for revision ${request.revision}, at least ${request.minRevision},`;
    switch (outcome.kind) {
      case "compacted": {
        const given = this.reference.oldestRevisionEver(request.namespace);
        if (request.revision < outcome.oldestRevision && outcome.oldestRevision <= given) return;
        broken(
          "history is there until it is given up",
          `${told} that the oldest is ${outcome.oldestRevision}, where no more than ${given} was ever given up`,
        );
        break;
      }
      case "future_revision": {
        const wanted = Math.max(request.revision, request.minRevision);
        const known = this.acknowledged.get(member)?.findLast(({ atMs }) => atMs < arrivedMs);
        const isKnown = request.consistency === "linearizable" && request.maxStalenessMs === 0;
        if (wanted > outcome.revision && !(isKnown && (known?.revision ?? 0) >= wanted)) return;
        broken(
          "history is there until it is given up",
          `${told} that the last is ${outcome.revision}, but ${known?.revision ?? 0} was acknowledged before`,
        );
        break;
      }
      case "unknown_namespace":
    }
  }

  /** What was there by that name at that revision: a namespace that is created anew has nothing to say of it. */
  private checkPast({ member, client, key, request, record }: ReadEvent): void {
    if (request.revision === 0) return;
    const expected = this.reference.textAt(request.namespace, key, request.revision);
    const found = record === null ? null : recordText(record);
    if (expected === found) return;
    broken(
      "history is there until it is given up",
      `${member} answers ${client} with ${found ?? "nothing"} for the key ${hexEncode(key)} of "${request.namespace}" at the ` +
        `past revision ${request.revision}, where there was ${expected ?? "nothing"}`,
    );
  }

  private checkPrefix({ member, client, key, point, request, record }: ReadEvent): void {
    if (request.revision === 0) {
      const revision = this.reference.revisionAt(point.appliedIndex);
      if (revision !== point.revision) {
        broken(
          "a stale read is some real prefix",
          `${member} answers ${client} at revision ${point.revision} and index ${point.appliedIndex}, where the committed ` +
            `log is at revision ${revision ?? "none"}`,
        );
      }
    }
    const expected = this.reference.recordAt(point, key, point.revision);
    if (isSame(expected, record)) return;
    broken(
      "a stale read is some real prefix",
      `${member} answers ${client} with ${textOf(record)} for the key ${hexEncode(key)} at revision ${point.revision}, where ` +
        `the committed log has ${textOf(expected)}`,
    );
  }

  private checkBound({ member, client, point, request, arrivedMs }: ReadEvent): void {
    if (request.maxStalenessMs === 0 || request.consistency !== "linearizable" || request.revision !== 0)
      return;
    const known = this.acknowledged.get(member);
    const last = known?.findLast(({ atMs }) => atMs < arrivedMs - request.maxStalenessMs);
    if (last === undefined || last.revision <= point.revision) return;
    broken(
      "a bounded read keeps its bound",
      `${member} answers ${client} at revision ${point.revision} with max_staleness_ms ${request.maxStalenessMs}, but ` +
        `revision ${last.revision} was acknowledged ${arrivedMs - last.atMs} ms before by its clock`,
    );
  }

  private checkSession({ member, client, point, request }: ReadEvent): void {
    if (point.revision >= request.minRevision || request.revision !== 0) return;
    broken(
      "a session never goes back",
      `${member} answers ${client} at revision ${point.revision}, which has seen ${request.minRevision}`,
    );
  }
}

function isSame(left: StoredRecord | null, right: StoredRecord | null): boolean {
  if (left === null || right === null) return left === right;
  return (
    left.modRevision === right.modRevision &&
    left.createRevision === right.createRevision &&
    left.version === right.version &&
    left.leaseId === right.leaseId &&
    bytesEqual(left.value, right.value)
  );
}

function textOf(record: StoredRecord | null): string {
  if (record === null) return "nothing";
  const { value, createRevision, modRevision, version } = record;
  return `${hexEncode(value)}@${createRevision}/${modRevision}/${version}`;
}
