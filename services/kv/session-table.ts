import { assert } from "#std";
import { KeptAnswers } from "./kept-answers";
import {
  SESSION_ANSWER_BYTES_MAX,
  SESSION_ANSWER_OVERHEAD_BYTES,
  SESSION_WINDOW_MAX,
  SESSIONS_ANSWER_BYTES_MAX,
  SESSIONS_ENDED_MAX,
  SESSIONS_MAX,
  TIME_MS_MAX,
} from "./limits";
import type { SessionAnswer, SessionState, StateWrites } from "./state";

/** A request id as numbers. */
export interface SessionRequest {
  readonly clientId: number;
  readonly sequence: number;
  readonly firstUnanswered: number;
  /** The sequence that must have its answer first, 0 for none; null where the order is of no matter. */
  readonly follows: number | null;
}

/** What the table says of a request, before the command itself is looked at. */
export type Admission =
  /** To be carried out, and its answer to be kept. */
  | { readonly kind: "fresh" }
  /** Carried out before; the bytes of the answer it had. */
  | { readonly kind: "answered"; readonly answer: Uint8Array }
  | { readonly kind: "expired"; readonly message: string }
  | { readonly kind: "dropped"; readonly message: string }
  /** May be sent again, with the sequence that it follows by then. */
  | { readonly kind: "out_of_order"; readonly message: string }
  | { readonly kind: "window_full"; readonly message: string };

type SessionWrites = Pick<StateWrites, "sessions" | "sessionsEnded" | "answers" | "answersDropped">;

interface Session {
  readonly clientId: number;
  readonly namespaceId: number;
  readonly ttlMs: number;
  /** See SessionState. */
  deadlineMs: number | null;
  firstUnanswered: number;
  readonly answers: KeptAnswers;
  /** The highest sequence among the answers, or one that is below firstUnanswered by now. */
  lastAnswered: number;
  answerBytes: number;
  /** Whether it is in `touched`. */
  isTouched: boolean;
  /** The sequences whose answers came since the writes were last taken; some of them may be dropped by now. */
  readonly unwritten: number[];
}

/** What sessions keep at most when idle ones had to give way. */
const SESSIONS_ANSWER_BYTES_AFTER = (SESSIONS_ANSWER_BYTES_MAX / 8) * 7;

const FRESH: Admission = { kind: "fresh" };

/**
 * The sessions and the answers that they keep (Ongaro's thesis, section 6.3): what makes a write safe to repeat. It
 * notes what changed, until takeWrites.
 */
export class SessionTable {
  private readonly sessions = new Map<number, Session>();
  /** Sessions without a deadline: opened or used since the last Tick. */
  private readonly undated = new Set<Session>();
  /** No session ends before this time; later than the truth never, earlier perhaps. */
  private deadlineMsMin = Number.POSITIVE_INFINITY;
  /** What all sessions keep. */
  private keptBytes = 0;
  /** What sessions with a deadline keep. */
  private idleKeptBytes = 0;
  private readonly touched: Session[] = [];
  private ended: number[] = [];
  private nextId: number;
  private dropped: { readonly clientId: number; readonly sequence: number }[] = [];

  constructor(sessions: readonly SessionState[], answers: readonly SessionAnswer[], nextClientId: number) {
    this.nextId = nextClientId;
    for (const state of sessions) this.insert(state);
    for (const { clientId, sequence, answer } of answers) {
      const session = this.sessions.get(clientId);
      assert(session !== undefined, "an answer belongs to a session");
      assert(sequence >= session.firstUnanswered, "an answer is kept until the client has it");
      assert(sequence < session.firstUnanswered + SESSION_WINDOW_MAX, "an answer is within the window");
      session.answers.add({ sequence, bytes: answer, isWritten: true });
      session.lastAnswered = Math.max(session.lastAnswered, sequence);
      session.answerBytes += answer.length;
    }
    for (const session of this.sessions.values()) {
      this.keptBytes += keptBy(session);
      if (session.deadlineMs !== null) this.idleKeptBytes += keptBy(session);
    }
  }

  get count(): number {
    return this.sessions.size;
  }

  /** The id that the next session gets. */
  get nextClientId(): number {
    return this.nextId;
  }

  /**
   * Whether the request may still turn out to be fresh after other commands. A false stays false, since sequences are
   * never taken back and client ids are never used again. What it follows may be answered until then.
   */
  mayBeFresh(request: SessionRequest, namespaceId: number): boolean {
    const session = this.sessions.get(request.clientId);
    if (session === undefined) return request.clientId >= this.nextId;
    if (session.namespaceId !== namespaceId) return false;
    const { sequence } = request;
    if (sequence < session.firstUnanswered || session.answers.has(sequence)) return false;
    return request.follows === null || sequence > session.lastAnswered;
  }

  /** Looks a request up. Each use of a session renews it; a request that was not answered yet also drops the answers that its client has. */
  admit(request: SessionRequest, namespaceId: number): Admission {
    const session = this.sessions.get(request.clientId);
    if (session === undefined) {
      return { kind: "expired", message: `there is no session with client_id ${request.clientId}` };
    }
    if (session.namespaceId !== namespaceId) {
      return { kind: "expired", message: `client_id ${request.clientId} is of another namespace` };
    }
    this.renew(session);
    const { sequence } = request;
    if (sequence < session.firstUnanswered) {
      return dropped(sequence, session.firstUnanswered);
    }
    const answer = session.answers.get(sequence);
    if (answer !== undefined) return { kind: "answered", answer: answer.bytes };
    this.raiseFirstUnanswered(session, request.firstUnanswered);
    const { firstUnanswered } = session;
    const disorder = disorderOf(request, session);
    if (disorder !== null) return { kind: "out_of_order", message: disorder };
    if (sequence >= firstUnanswered + SESSION_WINDOW_MAX) {
      return beyondWindow(sequence, firstUnanswered);
    }
    if (session.answerBytes >= SESSION_ANSWER_BYTES_MAX) {
      return {
        kind: "window_full",
        message: `the session keeps ${SESSION_ANSWER_BYTES_MAX} bytes of answers or more, from first_unanswered ${firstUnanswered} on`,
      };
    }
    if (this.keptBytes >= SESSIONS_ANSWER_BYTES_MAX) this.endIdle();
    if (this.keptBytes >= SESSIONS_ANSWER_BYTES_MAX) {
      return {
        kind: "window_full",
        message: `all sessions together keep ${SESSIONS_ANSWER_BYTES_MAX} bytes of answers or more, and none is idle`,
      };
    }
    return FRESH;
  }

  /** Keeps the answer to a request that was admitted as fresh, unless the request itself ended its session. */
  keep(request: SessionRequest, answer: Uint8Array): void {
    const session = this.sessions.get(request.clientId);
    if (session === undefined) return;
    assert(session.deadlineMs === null, "a session in use has no deadline");
    session.answers.add({ sequence: request.sequence, bytes: answer, isWritten: false });
    session.answerBytes += answer.length;
    this.keptBytes += answer.length + SESSION_ANSWER_OVERHEAD_BYTES;
    session.unwritten.push(request.sequence);
    session.lastAnswered = Math.max(session.lastAnswered, request.sequence);
    this.touch(session);
    assert(
      session.answers.size <= SESSION_WINDOW_MAX,
      "a session keeps no more answers than its window holds",
    );
  }

  /** Opens a session and gives its client id, or null where there are SESSIONS_MAX. */
  open(namespaceId: number, ttlMs: number): number | null {
    if (this.sessions.size >= SESSIONS_MAX) return null;
    const clientId = this.nextId;
    this.nextId += 1;
    this.touch(this.insert({ clientId, namespaceId, ttlMs, deadlineMs: null, firstUnanswered: 1 }));
    return clientId;
  }

  /** Ends the session if there is such a one in this namespace. */
  close(clientId: number, namespaceId: number): void {
    const session = this.sessions.get(clientId);
    if (session?.namespaceId === namespaceId) this.end(session);
  }

  /** Ends all sessions of a namespace that goes. */
  endNamespace(namespaceId: number): void {
    const sessions = [...this.sessions.values()].filter((session) => session.namespaceId === namespaceId);
    for (const session of sessions.sort(byClientId)) this.end(session);
  }

  /** Ends the sessions whose deadline has come, and gives one to those that were used since the last Tick. */
  tick(timeMs: number): void {
    assert(timeMs <= TIME_MS_MAX, "replicated time stays within its bound");
    if (timeMs >= this.deadlineMsMin) this.endExpired(timeMs);
    for (const session of this.undated) {
      session.deadlineMs = timeMs + session.ttlMs;
      this.idleKeptBytes += keptBy(session);
      this.deadlineMsMin = Math.min(this.deadlineMsMin, session.deadlineMs);
      this.touch(session);
    }
    this.undated.clear();
  }

  /** What changed since the last call, in the order of client ids. */
  takeWrites(): SessionWrites {
    const sessions: SessionState[] = [];
    const answers: SessionAnswer[] = [];
    for (const session of this.touched.sort(byClientId)) {
      session.isTouched = false;
      // Of a session that ended, the store needs to know no more than that.
      if (this.sessions.get(session.clientId) !== session) continue;
      sessions.push(stateOf(session));
      takeUnwritten(session, answers);
    }
    const ended = this.ended;
    const gone = new Set(ended);
    const dropped =
      gone.size === 0 ? this.dropped : this.dropped.filter(({ clientId }) => !gone.has(clientId));
    this.touched.length = 0;
    this.ended = [];
    this.dropped = [];
    return { sessions, sessionsEnded: ended, answers, answersDropped: dropped };
  }

  /** All of it, sorted by client id and sequence. */
  resident(): { readonly sessions: readonly SessionState[]; readonly answers: readonly SessionAnswer[] } {
    const sorted = [...this.sessions.values()].sort(byClientId);
    const answers: SessionAnswer[] = [];
    for (const { clientId, answers: kept } of sorted) {
      for (const { sequence, bytes } of kept.inOrder()) answers.push({ clientId, sequence, answer: bytes });
    }
    return { sessions: sorted.map(stateOf), answers };
  }

  private insert(state: SessionState): Session {
    assert(!this.sessions.has(state.clientId), "a client id names one session");
    const session: Session = {
      clientId: state.clientId,
      namespaceId: state.namespaceId,
      ttlMs: state.ttlMs,
      deadlineMs: state.deadlineMs,
      firstUnanswered: state.firstUnanswered,
      answers: new KeptAnswers(),
      lastAnswered: 0,
      answerBytes: 0,
      isTouched: false,
      unwritten: [],
    };
    this.sessions.set(session.clientId, session);
    if (session.deadlineMs === null) this.undated.add(session);
    else this.deadlineMsMin = Math.min(this.deadlineMsMin, session.deadlineMs);
    return session;
  }

  private touch(session: Session): void {
    if (session.isTouched) return;
    session.isTouched = true;
    this.touched.push(session);
  }

  private renew(session: Session): void {
    if (session.deadlineMs === null) return;
    session.deadlineMs = null;
    this.idleKeptBytes -= keptBy(session);
    this.undated.add(session);
    this.touch(session);
  }

  private raiseFirstUnanswered(session: Session, firstUnanswered: number): void {
    const before = session.firstUnanswered;
    if (firstUnanswered <= before) return;
    session.firstUnanswered = firstUnanswered;
    this.touch(session);
    // A client may skip far more sequences than there can be answers.
    const end = Math.min(firstUnanswered, session.lastAnswered + 1);
    for (let sequence = before; sequence < end; sequence += 1) this.drop(session, sequence);
  }

  private drop(session: Session, sequence: number): void {
    const answer = session.answers.take(sequence);
    if (answer === undefined) return;
    assert(session.deadlineMs === null, "a session in use has no deadline");
    const { length } = answer.bytes;
    session.answerBytes -= length;
    this.keptBytes -= length + SESSION_ANSWER_OVERHEAD_BYTES;
    // An answer that the store never saw needs no word to be dropped.
    if (answer.isWritten) this.dropped.push({ clientId: session.clientId, sequence });
  }

  private end(session: Session): void {
    this.sessions.delete(session.clientId);
    this.undated.delete(session);
    this.keptBytes -= keptBy(session);
    if (session.deadlineMs !== null) this.idleKeptBytes -= keptBy(session);
    this.ended.push(session.clientId);
  }

  /**
   * Ends sessions that keep answers and were not used since a Tick, least recently used first, until there is room for
   * an eighth of the bound: each time costs a walk over all sessions, so it must not be each write that pays it.
   */
  private endIdle(): void {
    if (this.idleKeptBytes === 0) return;
    const idle: { readonly session: Session; readonly usedMs: number }[] = [];
    for (const session of this.sessions.values()) {
      const { deadlineMs, ttlMs, answers } = session;
      if (deadlineMs !== null && answers.size > 0) idle.push({ session, usedMs: deadlineMs - ttlMs });
    }
    idle.sort((left, right) => left.usedMs - right.usedMs || byClientId(left.session, right.session));
    for (const { session } of idle) {
      if (this.keptBytes <= SESSIONS_ANSWER_BYTES_AFTER) return;
      this.end(session);
    }
    assert(this.idleKeptBytes === 0, "what idle sessions kept is gone");
  }

  private endExpired(timeMs: number): void {
    const expired: Session[] = [];
    let deadlineMsMin = Number.POSITIVE_INFINITY;
    for (const session of this.sessions.values()) {
      if (session.deadlineMs === null) continue;
      if (session.deadlineMs <= timeMs) expired.push(session);
      else deadlineMsMin = Math.min(deadlineMsMin, session.deadlineMs);
    }
    const ending = expired.sort(byClientId).slice(0, SESSIONS_ENDED_MAX);
    // What is left over ends at the next Tick.
    this.deadlineMsMin = ending.length < expired.length ? timeMs : deadlineMsMin;
    for (const session of ending) this.end(session);
  }
}

function byClientId(left: Session, right: Session): number {
  return left.clientId - right.clientId;
}

function keptBy(session: Session): number {
  return session.answerBytes + session.answers.size * SESSION_ANSWER_OVERHEAD_BYTES;
}

/**
 * What is wrong with the place of a request that is neither answered nor below firstUnanswered, or null. Only kept
 * answers are asked for, so it is the same after a restart: what is below firstUnanswered was answered or given up, and
 * any sequence behind the request's is not below it.
 */
function disorderOf({ sequence, follows }: SessionRequest, session: Session): string | null {
  if (follows === null) return null;
  if (session.lastAnswered > sequence) {
    return comesBehind(sequence, session.lastAnswered);
  }
  if (follows >= session.firstUnanswered && !session.answers.has(follows)) {
    return followsUnanswered(sequence, follows);
  }
  return null;
}

/*
 * Refusals in words, each in a function of its own: V8 makes the text of a number that several branches of one function tell of
 * before it branches, also where none of them is taken.
 */

function dropped(sequence: number, firstUnanswered: number): Admission {
  const message = `the answer to sequence ${sequence} was dropped: first_unanswered is ${firstUnanswered}`;
  return { kind: "dropped", message };
}

function beyondWindow(sequence: number, firstUnanswered: number): Admission {
  const message = `sequence ${sequence} is not below first_unanswered ${firstUnanswered} + ${SESSION_WINDOW_MAX}`;
  return { kind: "window_full", message };
}

function comesBehind(sequence: number, lastAnswered: number): string {
  return `sequence ${sequence} comes behind ${lastAnswered}, which has its answer`;
}

function followsUnanswered(sequence: number, follows: number): string {
  return `sequence ${sequence} follows ${follows}, which has no answer yet`;
}

function stateOf(session: Session): SessionState {
  const { clientId, namespaceId, ttlMs, deadlineMs, firstUnanswered } = session;
  return { clientId, namespaceId, ttlMs, deadlineMs, firstUnanswered };
}

/** Appends the answers that came since the last time and were not dropped meanwhile, in the order of their coming. */
function takeUnwritten({ clientId, answers, unwritten }: Session, all: SessionAnswer[]): void {
  for (const sequence of unwritten) {
    const answer = answers.get(sequence);
    if (answer === undefined) continue;
    answer.isWritten = true;
    all.push({ clientId, sequence, answer: answer.bytes });
  }
  unwritten.length = 0;
}
