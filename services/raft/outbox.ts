import { unreachable } from "#std";
import type { MemberId } from "./entry";
import type { Message, MessageKind } from "./message";

/**
 * Whether a message may leave before the state it came from is durable. A vote, a request for one and an
 * acknowledgement promise that its sender will remember: what is forgotten in a crash after such a promise elects two
 * leaders or loses a committed entry (thesis 3.8). The others promise nothing.
 */
const mayPrecedePersistence = {
  append: true,
  append_response: false,
  pre_vote: false,
  pre_vote_response: false,
  vote: false,
  vote_response: false,
  heartbeat: true,
  heartbeat_response: true,
  snapshot: true,
  propose: true,
  read_index: true,
  read_index_response: true,
  transfer_leadership: true,
  timeout_now: true,
} as const satisfies Record<MessageKind, boolean>;

/** The messages that wait for the next Ready. */
export class Outbox {
  private messages: Message[] = [];
  private answers: Message[] = [];
  private toSelf: Message[] = [];

  constructor(
    private readonly id: MemberId,
    private readonly onSend: ((message: Message) => void) | null = null,
  ) {}

  get isEmpty(): boolean {
    return this.messages.length === 0 && this.answers.length === 0 && this.toSelf.length === 0;
  }

  send(message: Message): void {
    this.onSend?.(message);
    switch (message.kind) {
      case "append_response":
      case "pre_vote_response":
      case "vote_response":
        // A member's word to itself also counts only when it is durable, so it is delivered by persisted().
        if (message.to === this.id) this.toSelf.push(message);
        else this.answers.push(message);
        return;
      case "append":
      case "pre_vote":
      case "vote":
      case "heartbeat":
      case "heartbeat_response":
      case "snapshot":
      case "propose":
      case "read_index":
      case "read_index_response":
      case "transfer_leadership":
      case "timeout_now":
        this.messages.push(message);
        return;
      default:
        unreachable(message);
    }
  }

  /**
   * Takes all messages. `early` and then `late` is the order in which they are to be sent: answers last, as in
   * etcd-io/raft; whatever follows a message that must wait waits with it, so that the order is kept.
   */
  take(): {
    readonly early: readonly Message[];
    readonly late: readonly Message[];
    readonly toSelf: readonly Message[];
  } {
    const { messages, answers, toSelf } = this;
    this.messages = [];
    this.answers = [];
    this.toSelf = [];
    const waiting = messages.findIndex((message) => !mayPrecedePersistence[message.kind]);
    if (waiting < 0) return { early: messages, late: answers, toSelf };
    return { early: messages.slice(0, waiting), late: [...messages.slice(waiting), ...answers], toSelf };
  }
}
