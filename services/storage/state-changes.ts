import type { Change, ResidentState, StateWrites } from "#kv";
import type { ChainedBatch } from "./database";
import { RecordWriter } from "./record-writer";
import { answerKey, sessionKey } from "./state-layout";
import {
  type EndedGeneration,
  writeAnswer,
  writeEnded,
  writeMemberStore,
  writeNamespace,
  writeNewest,
  writeRevision,
  writeSession,
  writeVersion,
} from "./state-records";

/** Turns what a batch of commands did into records, all but the head. */
export class StateChanges {
  private readonly writer = new RecordWriter();
  /** The sequences of the stored answers of each session, for a session that ends takes its answers along. */
  private readonly sequences = new Map<number, Set<number>>();

  constructor(resident: ResidentState) {
    for (const { clientId, sequence } of resident.answers) this.noteAnswer(clientId, sequence);
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, writes: StateWrites): number {
    const { writer } = this;
    let bytes = 0;
    for (const namespace of writes.namespaces)
      bytes += writeNamespace(writer, namespace).putInto(batch).bytes;
    for (const member of writes.memberStores) bytes += writeMemberStore(writer, member).putInto(batch).bytes;
    for (const session of writes.sessions) bytes += writeSession(writer, session).putInto(batch).bytes;
    for (const answer of writes.answers) {
      bytes += writeAnswer(writer, answer).putInto(batch).bytes;
      this.noteAnswer(answer.clientId, answer.sequence);
    }
    // Removals come last: of two operations on a key in one batch LevelDB keeps the later.
    for (const { clientId, sequence } of writes.answersDropped) {
      bytes += answerKey(writer, clientId, sequence).deleteFrom(batch);
      this.sequences.get(clientId)?.delete(sequence);
    }
    for (const clientId of writes.sessionsEnded) {
      bytes += sessionKey(writer, clientId).deleteFrom(batch);
      for (const sequence of this.sequences.get(clientId) ?? []) {
        bytes += answerKey(writer, clientId, sequence).deleteFrom(batch);
      }
      this.sequences.delete(clientId);
    }
    for (const change of writes.changes) bytes += this.putChange(batch, change);
    return bytes;
  }

  private putChange(batch: ChainedBatch, change: Change): number {
    const { writer } = this;
    const bytes = writeRevision(writer, change).putInto(batch).bytes;
    if (change.kind === "truncate") return bytes + writeEnded(writer, change).putInto(batch).bytes;
    return (
      bytes +
      writeNewest(writer, change).putInto(batch).bytes +
      writeVersion(writer, change).putInto(batch).bytes
    );
  }

  private noteAnswer(clientId: number, sequence: number): void {
    const sequences = this.sequences.get(clientId);
    if (sequences === undefined) this.sequences.set(clientId, new Set([sequence]));
    else sequences.add(sequence);
  }
}

/** The generations that a batch ended. */
export function endedGenerations(changes: readonly Change[]): readonly EndedGeneration[] {
  return changes.flatMap((change) =>
    change.kind === "truncate" ? [{ namespaceId: change.namespaceId, generation: change.generation }] : [],
  );
}
