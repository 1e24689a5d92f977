import type { ConfigurationState, MembershipState, ResidentState } from "#kv";
import type { Digest } from "#replica";
import { utf8Encode } from "#std";
import { HashChain, type HashInput } from "./hashes";
import type { Pace } from "./pace";

/**
 * The hash of all that is kept beside the records: counters, namespaces, members, sessions with their answers, leases with
 * their keys. Each list follows its length and is sorted, as a machine gives it.
 */
export async function residentHash(digest: Digest, state: ResidentState, pace: Pace): Promise<Uint8Array> {
  const chain = new HashChain(digest);
  const { input } = chain;
  const each = async <T>(items: readonly T[], write: (item: T) => void): Promise<void> => {
    input.number(items.length);
    for (const item of items) {
      write(item);
      chain.cut();
      if (pace.spent(1)) await pace.rest();
    }
  };

  const { meta } = state;
  input
    .number(meta.revision)
    .number(meta.timeMs)
    .number(meta.nextClientId)
    .number(meta.nextNamespaceId)
    .number(meta.nextLeaseId)
    .number(meta.compactedRevision)
    .number(meta.verifyRound);
  await each(state.namespaces, (namespace) => {
    input.number(namespace.id).text(utf8Encode(namespace.name)).number(namespace.generation);
    input.number(namespace.keyCount).number(namespace.byteCount);
    input.number(namespace.oldestRevision).number(namespace.firstEventRevision);
    optional(input, namespace.keysMax);
    optional(input, namespace.bytesMax);
  });
  putMembership(input, state.membership);
  await each(state.sessions, (session) => {
    input.number(session.clientId).number(session.namespaceId).number(session.ttlMs);
    optional(input, session.deadlineMs);
    input.number(session.firstUnanswered);
  });
  await each(state.answers, ({ clientId, sequence, answer }) => {
    input.number(clientId).number(sequence).text(answer);
  });
  await each(state.leases, (lease) => {
    input.number(lease.leaseId).number(lease.namespaceId).number(lease.ttlMs);
    optional(input, lease.deadlineMs);
  });
  await each(state.leaseKeys, ({ leaseId, namespaceId, generation, key }) => {
    input.number(leaseId).number(namespaceId).number(generation).text(key);
  });
  return chain.end();
}

function putMembership(
  input: HashInput,
  { epoch, configuration, members, retiredStores }: MembershipState,
): void {
  input.number(epoch);
  putConfiguration(input, configuration);
  input.number(members.length);
  for (const member of members) {
    input.text(utf8Encode(member.memberId));
    input.text(utf8Encode(member.clientAddress)).text(utf8Encode(member.peerAddress));
    input.number(member.priority).number(member.promoteWhenCaughtUp ? 1 : 0);
    input.text(utf8Encode(member.replaces));
    input.number(member.storeId === null ? 0 : 1).text(utf8Encode(member.storeId ?? ""));
  }
  putTexts(input, retiredStores);
}

function putConfiguration(input: HashInput, configuration: ConfigurationState): void {
  putTexts(input, configuration.voters);
  putTexts(input, configuration.votersOutgoing);
  putTexts(input, configuration.learners);
  putTexts(input, configuration.learnersNext);
  input.number(configuration.autoLeave ? 1 : 0);
}

function putTexts(input: HashInput, texts: readonly string[]): void {
  input.number(texts.length);
  for (const text of texts) input.text(utf8Encode(text));
}

function optional(input: HashInput, value: number | null): void {
  input.number(value === null ? 0 : 1).number(value ?? 0);
}
