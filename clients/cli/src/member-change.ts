import type { MemberChangeRequest } from "@quorate/client";
import { InvalidArgumentError } from "commander";

const HOST_PORT = "(?:[^\\s:/,=]+|\\[[0-9a-fA-F:]+\\]):\\d{1,5}";
const CHANGE = new RegExp(`^(voter|learner|remove):([^\\s:/,=]+)(?:=(${HOST_PORT})/(${HOST_PORT}))?$`);

/** One change as it is typed: voter:n4=CLIENT/PEER, learner:n2 or remove:n1. Collects, for an argument of many. */
export function memberChanges(
  text: string,
  before: readonly MemberChangeRequest[] | undefined,
): readonly MemberChangeRequest[] {
  const [, kind, memberId, clientAddress, peerAddress] = CHANGE.exec(text) ?? [];
  if (kind === undefined || memberId === undefined || (kind === "remove" && clientAddress !== undefined)) {
    throw new InvalidArgumentError(
      "It must be voter:ID, learner:ID or remove:ID; a new member has its addresses: learner:ID=HOST:PORT/HOST:PORT.",
    );
  }
  return [
    ...(before ?? []),
    changeOf(kind as MemberChangeRequest["kind"], memberId, clientAddress, peerAddress),
  ];
}

function changeOf(
  kind: MemberChangeRequest["kind"],
  memberId: string,
  clientAddress: string | undefined,
  peerAddress: string | undefined,
): MemberChangeRequest {
  if (kind === "remove") return { kind, memberId };
  return clientAddress === undefined || peerAddress === undefined
    ? { kind, memberId }
    : { kind, memberId, clientAddress, peerAddress };
}

/** host:port, as a flag names it. */
export function hostPort(text: string): string {
  if (!new RegExp(`^${HOST_PORT}$`).test(text) || Number(/\d+$/.exec(text)?.[0]) > 65_535) {
    throw new InvalidArgumentError("It must be HOST:PORT, such as 10.0.0.4:7400.");
  }
  return text;
}

/** 0 to 1,000, as a flag names it. */
export function priority(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) > 1000) {
    throw new InvalidArgumentError("It must be a whole number from 0 to 1000.");
  }
  return Number(text);
}
