import { createHash } from "node:crypto";
import type { MemberId } from "@quorate/services/raft";
import type { Digest } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { VerificationLimits, VerificationPeers, Verifier } from "@quorate/services/verification";
import type { SimulatedSeat } from "./seat";

export const DIGEST: Digest = {
  sha256: (parts) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
};

/** More than there are, to be read in each round. */
export const ALL_KEYS = 65_536;

const LATENCY_US_MIN = 50;
const LATENCY_US_MEAN = 1_000;

/** Often or hardly ever; all keys each time, or a few in rotation; and so patient that many a round comes to nothing. */
export function drawVerification(random: Random): Partial<VerificationLimits> {
  const intervalMs = [1_000, 4_000, 10_000][random.below(3)] as number;
  return {
    intervalMs,
    idleIntervalMs: 2 * intervalMs,
    keysPerTurn: 4 + random.below(60),
    scrubKeys: random.below(2) === 0 ? ALL_KEYS : 4 + random.below(60),
    patienceMs: 1_000 + random.below(5_000),
    questionMs: 500 + random.below(2_000),
    roundsKept: 1 + random.below(4),
    frozenMs: 2_000 + random.below(20_000),
    repairKeysMax: random.below(3) === 0 ? 2 : 10_000,
  };
}

export interface VerificationWireOptions {
  readonly seatOf: (id: MemberId) => SimulatedSeat;
  readonly isOpen: (from: MemberId, to: MemberId) => boolean;
  readonly random: Random;
}

/** What one seat's verifier asks of the others: calls that take time, and are never answered where there is no way. */
export class VerificationWire implements VerificationPeers {
  constructor(
    private readonly asking: SimulatedSeat,
    private readonly options: VerificationWireOptions,
  ) {}

  root: VerificationPeers["root"] = (member, round) =>
    this.call(member, (verifier) => verifier.answerRoot(round));

  buckets: VerificationPeers["buckets"] = (member, round) =>
    this.call(member, (verifier) => verifier.answerBuckets(round));

  keys: VerificationPeers["keys"] = (member, round, range) =>
    this.call(member, (verifier) => verifier.answerKeys(round, range));

  records: VerificationPeers["records"] = (member, query) =>
    this.call(member, (verifier) => verifier.answerRecords(query));

  private call<Answer>(
    member: MemberId,
    ask: (verifier: Verifier) => Answer | Promise<Answer>,
  ): Promise<Answer> {
    const { asking } = this;
    const { seatOf, isOpen } = this.options;
    const asked = seatOf(member);
    return new Promise((resolve, reject) => {
      const reply = (settle: () => void): void => {
        asked.after(this.latencyUs(), () => {
          if (isOpen(member, asking.id)) asking.after(this.latencyUs(), settle);
        });
      };
      asking.after(this.latencyUs(), () => {
        if (!isOpen(asking.id, member)) return;
        const { verifier } = asked;
        if (verifier === null || asked.isStrange || asking.isStrange) {
          reject(new Error(`${member} does not answer`));
          return;
        }
        asked.enter(() => {
          if (asked.verifier !== verifier) return;
          Promise.resolve()
            .then(() => ask(verifier))
            .then(
              (answer) => reply(() => resolve(answer)),
              (error: unknown) => reply(() => reject(error)),
            );
        });
      });
    });
  }

  private latencyUs(): number {
    return LATENCY_US_MIN - Math.log(1 - this.options.random.float()) * LATENCY_US_MEAN;
  }
}
