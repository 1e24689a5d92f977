import type { Message } from "@quorate/services/raft";
import fc from "fast-check";

const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const id = fc.string({ minLength: 1, maxLength: 8 });
const bytes = fc.uint8Array({ maxLength: 40 });
const place = fc.record({ term: number, index: number });
const committed = fc.record({ term: number, index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) });
const kind = fc.constantFrom("normal" as const, "conf_change" as const, "conf_change_v2" as const);
const entry = fc.record({ term: number, index: number, kind, data: bytes });
const envelope = { from: id, to: id, term: number };
const is = <K extends string>(name: K) => fc.constant(name);

const round = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const pledge = fc.record({ round, ms: number });
const heartbeat = { ...envelope, kind: is("heartbeat"), commit: number, readSequence: number };
const heartbeatResponse = {
  ...envelope,
  kind: is("heartbeat_response"),
  readSequence: number,
  lowOnSpace: fc.boolean(),
};

/** One generator a kind: a new kind does not compile until it has one. */
export const arbitraryMessages = {
  append: fc.record({
    ...envelope,
    kind: is("append"),
    previous: place,
    entries: fc.array(entry),
    commit: number,
  }),
  append_response: fc.record({
    ...envelope,
    kind: is("append_response"),
    index: number,
    hint: fc.option(place),
  }),
  pre_vote: fc.record({ ...envelope, kind: is("pre_vote"), last: place }),
  pre_vote_response: fc.oneof(
    fc.record({ ...envelope, kind: is("pre_vote_response"), rejected: fc.boolean() }),
    fc.record({ ...envelope, kind: is("pre_vote_response"), rejected: fc.boolean(), committed }),
  ),
  vote: fc.record({ ...envelope, kind: is("vote"), last: place, transfer: fc.boolean() }),
  vote_response: fc.oneof(
    fc.record({ ...envelope, kind: is("vote_response"), rejected: fc.boolean() }),
    fc.record({ ...envelope, kind: is("vote_response"), rejected: fc.boolean(), committed }),
  ),
  heartbeat: fc.oneof(fc.record(heartbeat), fc.record({ ...heartbeat, pledge })),
  heartbeat_response: fc.oneof(
    fc.record(heartbeatResponse),
    fc.record({ ...heartbeatResponse, pledgedRound: round }),
  ),
  propose: fc.record({
    ...envelope,
    term: fc.constant(0 as const),
    kind: is("propose"),
    proposals: fc.array(fc.record({ kind, data: bytes })),
  }),
  read_index: fc.record({
    ...envelope,
    term: fc.constant(0 as const),
    kind: is("read_index"),
    context: fc.string(),
  }),
  read_index_response: fc.record({
    ...envelope,
    kind: is("read_index_response"),
    index: number,
    context: fc.string(),
  }),
  transfer_leadership: fc.record({ ...envelope, kind: is("transfer_leadership") }),
  timeout_now: fc.record({ ...envelope, kind: is("timeout_now") }),
  snapshot: fc.record({ ...envelope, kind: is("snapshot"), last: place }),
} as const satisfies { [K in Message["kind"]]: fc.Arbitrary<Extract<Message, { kind: K }>> };
