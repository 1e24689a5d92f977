import { type ClusterMember, type NodeCallOptions, type Quorate, QuorateError } from "@quorate/client";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "./exit-codes";
import { describe, errorFields, type Session } from "./session";
import type { GlobalOptions } from "./settings";

/** Which nodes a command is about. */
export interface MemberFlags extends GlobalOptions {
  readonly member?: string;
}

/** What one member said, or why it said nothing. */
export interface MemberAnswer<T> {
  readonly memberId: string;
  readonly answer: T | null;
  readonly failure: QuorateError | null;
}

export function withMember(command: Command): Command {
  return command.option("--member <id>", "this node alone, instead of each");
}

/** The members that a command is about. @throws QuorateError UNKNOWN_MEMBER */
export async function membersFor(
  client: Quorate,
  { member }: Pick<MemberFlags, "member">,
): Promise<readonly ClusterMember[]> {
  const members = await client.cluster.members();
  if (member === undefined) return members;
  const found = members.filter(({ memberId }) => memberId === member);
  if (found.length > 0) return found;
  throw new QuorateError(
    `there is no member ${member}: there are ${members.map(({ memberId }) => memberId).join(", ")}`,
    { code: "NOT_FOUND", reason: "UNKNOWN_MEMBER", outcome: "not_applied" },
  );
}

/** Asks members at their own addresses, all at once, so that one that is down hides no other. */
export function askEach<T>(
  members: readonly ClusterMember[],
  ask: (at: NodeCallOptions, member: ClusterMember) => Promise<T>,
): Promise<readonly MemberAnswer<T>[]> {
  return Promise.all(
    members.map(async (member) => {
      const { memberId, clientAddress } = member;
      try {
        return { memberId, answer: await ask({ address: clientAddress }, member), failure: null };
      } catch (thrown) {
        return { memberId, answer: null, failure: QuorateError.from(thrown) };
      }
    }),
  );
}

/** Tells of the members that gave no answer. */
export function reportFailures(
  session: Session,
  options: GlobalOptions,
  answers: readonly MemberAnswer<unknown>[],
): ExitCode {
  for (const { memberId, failure } of answers) {
    if (failure === null) continue;
    session.terminal.err(
      options.json
        ? JSON.stringify({ memberId, error: errorFields(failure) })
        : `${memberId}: ${describe(failure)}`,
    );
  }
  return answers.every(({ failure }) => failure === null) ? EXIT.ok : EXIT.failed;
}
