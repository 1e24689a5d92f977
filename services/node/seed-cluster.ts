import { setTimeout as delay } from "node:timers/promises";
import {
  AddMemberRequest,
  AddMemberResponse,
  ClusterServiceDefinition,
  ListMembersRequest,
  ListMembersResponse,
  type Member,
  StatusRequest,
  StatusResponse,
} from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { asBuffer, type CallChannels, CallFailure, type Log, methodPath, NO_HEADERS } from "#forward";

/** A running cluster as one of its nodes tells it. */
export interface ClusterView {
  readonly clusterId: string;
  /** Sorted by id. */
  readonly members: readonly Member[];
}

export interface SeedClusterOptions {
  /** Client addresses of nodes; those of the members that they name are asked too. */
  readonly seeds: readonly string[];
  readonly channels: CallChannels;
  readonly log: Log;
  /** How long to go on while no node answers. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type SeedOutcome<T> =
  | { readonly kind: "answered"; readonly value: T }
  /** A node said something that asking again does not change. */
  | { readonly kind: "refused"; readonly why: string }
  /** `why` is what was said last. */
  | { readonly kind: "unanswered"; readonly why: string }
  | { readonly kind: "aborted" };

const STATUS_PATH = methodPath(ClusterServiceDefinition, "status");
const MEMBERS_PATH = methodPath(ClusterServiceDefinition, "listMembers");
const ADD_PATH = methodPath(ClusterServiceDefinition, "addMember");

const ANSWER_MS_MAX = 3000;
/** A change of the membership waits for those before it. */
const ADD_MS_MAX = 10_000;
const PAUSE_MS = 200;

/** What asking again does not change. */
const FINAL_REASONS: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.INVALID_ARGUMENT,
  ErrorReason.MEMBER_EXISTS,
  ErrorReason.TOO_MANY_MEMBERS,
]);

/** Asks the nodes of a running cluster from outside, whichever of them answers. */
export class SeedCluster {
  private readonly options: SeedClusterOptions;
  private addresses: readonly string[];

  constructor(options: SeedClusterOptions) {
    this.options = options;
    this.addresses = options.seeds;
  }

  /** Who the members are, as the first node has it that answers. */
  view(): Promise<SeedOutcome<ClusterView>> {
    return this.ask((address) => this.viewFrom(address));
  }

  /** Has a member added; whichever node answers passes it on to the leader. */
  add(request: AddMemberRequest): Promise<SeedOutcome<readonly Member[]>> {
    const body = asBuffer(AddMemberRequest.encode(request).finish());
    return this.ask(async (address) => {
      const answer = await this.call(address, { path: ADD_PATH, body, withinMs: ADD_MS_MAX });
      return AddMemberResponse.decode(answer).members;
    });
  }

  private async viewFrom(address: string): Promise<ClusterView> {
    const statusBody = asBuffer(StatusRequest.encode({}).finish());
    const membersBody = asBuffer(ListMembersRequest.encode({}).finish());
    const withinMs = ANSWER_MS_MAX;
    const { clusterId } = StatusResponse.decode(
      await this.call(address, { path: STATUS_PATH, body: statusBody, withinMs }),
    );
    const { members } = ListMembersResponse.decode(
      await this.call(address, { path: MEMBERS_PATH, body: membersBody, withinMs }),
    );
    this.addresses = [
      ...new Set([...this.options.seeds, ...members.map(({ clientAddress }) => clientAddress)]),
    ];
    return { clusterId, members };
  }

  /** Asks one node after another, and all of them again, until one answers or the time is over. */
  private async ask<T>(question: (address: string) => Promise<T>): Promise<SeedOutcome<T>> {
    const { signal, timeoutMs, log } = this.options;
    const deadlineMs = performance.now() + timeoutMs;
    let why = "no node is known";
    const said = new Map<string, string>();
    while (!signal.aborted) {
      for (const address of this.addresses) {
        try {
          return { kind: "answered", value: await question(address) };
        } catch (error) {
          if (signal.aborted) return { kind: "aborted" };
          const failure = CallFailure.from(error);
          if (failure.reason === ErrorReason.UNIMPLEMENTED) {
            const refusal = `${address} does not serve clients: give client addresses of nodes, not those of their peer services`;
            return { kind: "refused", why: refusal };
          }
          if (FINAL_REASONS.has(failure.reason)) return { kind: "refused", why: failure.message };
          why = failure.message.startsWith(address) ? failure.message : `${address}: ${failure.message}`;
          // The same again and again, each 200 ms for a minute, would hide what else is said.
          if (said.get(address) === failure.message) continue;
          said.set(address, failure.message);
          log.info({ address, reason: failure.message }, "a node did not help; another is asked");
        }
      }
      if (performance.now() >= deadlineMs) return { kind: "unanswered", why };
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
    return { kind: "aborted" };
  }

  private call(
    address: string,
    { path, body, withinMs }: { readonly path: string; readonly body: Buffer; readonly withinMs: number },
  ): Promise<Uint8Array> {
    const { channels, signal } = this.options;
    const call = { path, body, headers: NO_HEADERS, deadlineMs: Date.now() + withinMs };
    return channels.to(address).unary(call, signal);
  }
}
