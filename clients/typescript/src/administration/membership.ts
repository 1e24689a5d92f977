import { ClusterServiceDefinition, type Member, MemberChangeKind } from "@quorate/proto/cluster";
import type { CallPlan } from "#client/call-plan";
import type { Core } from "#client/core";
import { QuorateError } from "#client/errors";
import { type Plain, plain } from "#client/plain";
import { pause } from "#client/timing";
import { type Method, methodOf } from "#client/transport";
import type { ClusterCallOptions } from "./node-call";

const METHODS = {
  list: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.listMembers),
  add: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.addMember),
  promote: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.promoteMember),
  remove: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.removeMember),
  update: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.updateMember),
  change: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.changeMembers),
};

/** A member of the cluster. */
export type ClusterMember = Plain<Member>;

/** The addresses of a member: host:port of its client services and of its peer service. */
export interface MemberAddresses {
  readonly clientAddress: string;
  readonly peerAddress: string;
}

/** A member that is to join, as a learner at first. */
export interface NewMember extends MemberAddresses {
  /** Such as "n4"; never the id of a present member. */
  readonly memberId: string;
  /** Makes it a voter as soon as it has caught up. */
  readonly promoteWhenCaughtUp?: boolean;
  /** The member that leaves, in one step, when this one becomes a voter. */
  readonly replaces?: string;
  /** 0 to 1,000, 100 by default: leadership goes to an equally complete voter of a higher one. 0: leads only if nobody else can. */
  readonly priority?: number;
}

/** What is to be changed of a member; what is left out stays. */
export interface MemberUpdate extends Partial<MemberAddresses> {
  /** 0 to 1,000. */
  readonly priority?: number;
}

/** One of several changes that are made at once. A voter or learner that is new has addresses. */
export type MemberChangeRequest =
  | ({ readonly kind: "voter" | "learner"; readonly memberId: string } & Partial<MemberAddresses>)
  | { readonly kind: "remove"; readonly memberId: string };

const CHANGE_KINDS = {
  voter: MemberChangeKind.VOTER,
  learner: MemberChangeKind.LEARNER,
  remove: MemberChangeKind.REMOVE,
} as const satisfies Record<MemberChangeRequest["kind"], MemberChangeKind>;

/** How long a replacement may take: a new member receives the whole state first. */
const REPLACE_MS_MAX = 600_000;

/** How often a replacement that is under way is looked at. */
const REPLACE_POLL_MS = 250;

type Members = readonly ClusterMember[];

/** The calls that change who belongs to the cluster. Each is made once, and looked for where its answer was lost. */
export class Membership {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  async list(plan: CallPlan): Promise<Members> {
    const { members } = await this.#core.caller.read(METHODS.list, {}, plan);
    return plain(members);
  }

  add(member: NewMember, options: ClusterCallOptions): Promise<Members> {
    const { memberId, clientAddress, peerAddress, replaces = "", priority } = member;
    const promoteWhenCaughtUp = member.promoteWhenCaughtUp ?? replaces !== "";
    const request = { memberId, clientAddress, peerAddress, promoteWhenCaughtUp, replaces, priority };
    return this.#change(METHODS.add, request, options, (members) =>
      members.some(
        (found) =>
          found.memberId === memberId &&
          found.clientAddress === clientAddress &&
          found.peerAddress === peerAddress,
      ),
    );
  }

  promote(memberId: string, options: ClusterCallOptions): Promise<Members> {
    return this.#change(METHODS.promote, { memberId }, options, (members) =>
      members.some((found) => found.memberId === memberId && found.voter),
    );
  }

  remove(memberId: string, options: ClusterCallOptions): Promise<Members> {
    return this.#change(METHODS.remove, { memberId }, options, (members) => !isAmong(members, memberId));
  }

  update(memberId: string, update: MemberUpdate, options: ClusterCallOptions): Promise<Members> {
    const { clientAddress, peerAddress, priority } = update;
    return this.#change(
      METHODS.update,
      { memberId, clientAddress, peerAddress, priority },
      options,
      (members) =>
        members.some(
          (found) =>
            found.memberId === memberId &&
            (clientAddress ?? found.clientAddress) === found.clientAddress &&
            (peerAddress ?? found.peerAddress) === found.peerAddress &&
            (priority ?? found.priority) === found.priority,
        ),
    );
  }

  change(changes: readonly MemberChangeRequest[], options: ClusterCallOptions): Promise<Members> {
    const request = {
      changes: changes.map((change) => ({
        kind: CHANGE_KINDS[change.kind],
        memberId: change.memberId,
        clientAddress: change.kind === "remove" ? "" : (change.clientAddress ?? ""),
        peerAddress: change.kind === "remove" ? "" : (change.peerAddress ?? ""),
      })),
    };
    return this.#change(METHODS.change, request, options, (members) =>
      changes.every(({ kind, memberId }) => {
        const found = members.find((member) => member.memberId === memberId);
        return kind === "remove" ? found === undefined : found?.voter === (kind === "voter");
      }),
    );
  }

  /** Adds a member in place of another and waits until that one has left. */
  async replace(memberId: string, by: NewMember, options: ClusterCallOptions): Promise<Members> {
    const { timing } = this.#core;
    const endMs = timing.nowMs() + (options.deadlineMs ?? REPLACE_MS_MAX);
    let members = await this.add(
      { ...by, replaces: memberId },
      { ...options, deadlineMs: Math.min(options.deadlineMs ?? REPLACE_MS_MAX, this.#core.deadlineMs) },
    );
    while (isAmong(members, memberId)) {
      const leftMs = endMs - timing.nowMs();
      if (leftMs <= 0) throw notReplacedYet(members, memberId, by.memberId);
      if (!isAmong(members, by.memberId)) throw givenUp(memberId, by.memberId);
      await pause(timing, Math.min(leftMs, REPLACE_POLL_MS), options.signal);
      const plan = this.#core.plan({ ...options, deadlineMs: Math.max(1, endMs - timing.nowMs()) });
      const before = members;
      members = await this.list(plan).catch((thrown) => {
        // What could not be looked at in the last moment is no failure of its own.
        if (timing.nowMs() < endMs || options.signal?.aborted === true) throw thrown;
        return before;
      });
    }
    return members;
  }

  async #change<Request>(
    method: Method<Request, { readonly members: readonly Member[] }>,
    request: Request,
    options: ClusterCallOptions,
    isDone: (members: Members) => boolean,
  ): Promise<Members> {
    const plan = this.#core.plan(options);
    const endMs = this.#core.timing.nowMs() + plan.deadlineMs;
    try {
      return plain((await this.#core.caller.change(method, request, plan)).members);
    } catch (thrown) {
      const error = QuorateError.from(thrown);
      const leftMs = endMs - this.#core.timing.nowMs();
      if (error.outcome !== "unknown" || leftMs <= 0) throw error;
      const members = await this.list({ ...plan, deadlineMs: leftMs }).catch(() => null);
      // What is not there yet may still come: only what is there says something.
      if (members !== null && isDone(members)) return members;
      throw error;
    }
  }
}

function isAmong(members: Members, memberId: string): boolean {
  return members.some((member) => member.memberId === memberId);
}

function notReplacedYet(members: Members, memberId: string, by: string): QuorateError {
  const comer = members.find((member) => member.memberId === by);
  const stage =
    comer?.storeId === ""
      ? "its node has not come yet: it is to be started"
      : "its node came and has not caught up yet";
  return new QuorateError(
    `${by} was added, and ${stage}; ${memberId} is a member until then, and the replacement goes on by itself`,
    { code: "DEADLINE_EXCEEDED", reason: "DEADLINE_EXCEEDED", retryable: true, outcome: "unknown" },
  );
}

function givenUp(memberId: string, by: string): QuorateError {
  return new QuorateError(`${by} was removed before it took the place of ${memberId}`, {
    code: "ABORTED",
    outcome: "not_applied",
  });
}
