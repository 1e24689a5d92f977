import {
  byteKey,
  type CommandSource,
  encodeAnswer,
  encodeCommand,
  openSessionCommand,
  putCommand,
  Refusal,
  type StateWrites,
} from "@quorate/services/kv";
import { openMemoryLogStore, openMemoryStateStore } from "@quorate/services/memory";
import { hexEncode, type Random, utf8Encode } from "@quorate/services/std";
import { imageOf } from "../invariants/equal-state";
import { broken } from "../invariants/invariant";
import { StateImage } from "../invariants/state-image";
import { Violation } from "../violation";
import type { SimulatedWorld } from "../world/world";
import type { Backup, SentWrite } from "./backup";
import { RestoredClient } from "./restored-client";

/** How large the new cluster may be, whatever the old one was. */
export const RESTORED_SIZES = [1, 3, 5] as const;

const WITHIN_US = 60_000_000;
/** Of the writes whose outcome a backup has, and of later ones: so many are sent again. */
const SENT_AGAIN_MAX = 24;
const LATER_MAX = 12;
const READ_MAX = 16;
const CRASH_US_MEAN = 1_500_000;
const DOWN_US_MAX = 1_000_000;
const SOURCE: CommandSource = { namespace: "", requestId: null, wallTimeMs: 0 };

/** What a restored cluster begins with, and what clients had sent to the one before. */
export interface RestoredParts {
  readonly backup: Backup;
  readonly sent: readonly SentWrite[];
}

/**
 * A cluster of new directories whose members all begin with one backup, as `quorate-node --restore` makes them, while
 * some of them crash. It is to know all that the other cluster knew then, and nothing of its members.
 */
export class RestoredCluster {
  private readonly backup: Backup;
  private readonly sent: readonly SentWrite[];
  private readonly random: Random;
  private readonly client: RestoredClient;
  private isDisturbed = true;
  /** How many requests were answered as they had been. */
  private answeredAlike = 0;

  constructor(
    private readonly world: SimulatedWorld,
    { backup, sent }: RestoredParts,
  ) {
    this.backup = backup;
    this.sent = sent;
    this.random = world.random("restored");
    this.client = new RestoredClient(world);
  }

  /** @throws Violation */
  async judge(): Promise<void> {
    const { world } = this;
    for (const { memberId } of world.founding.members) await this.restore(memberId);
    for (const { memberId } of world.founding.members) world.start(memberId);
    this.disturb();
    await this.expect("a leader is elected", () => this.client.leader !== null);
    await this.readBack();
    await this.sendAgain();
    await this.goOn();
    this.isDisturbed = false;
    world.heal();
    await this.expect("all members apply the same entries", () => this.isSettled);
    this.compareAll();
    world.note(`${this.answeredAlike} requests were answered as before`);
  }

  /** As services/node/restoring.ts does it: the state with members of its own, and a log that goes on after it. */
  private async restore(id: string): Promise<void> {
    const { backup, world } = this;
    const seat = world.seat(id);
    seat.storeId = `restored-${id}-1`;
    const state = openMemoryStateStore(seat.stateDisk);
    const receiver = await state.receive(backup.header);
    for (const chunk of backup.chunks) await receiver.put(chunk);
    const { resident, applied } = await receiver.complete();
    await state.install(receiver);
    await state.close();
    seat.stateDisk.write(applied, { ...NOTHING, meta: resident.meta, membership: world.founding });
    seat.stateDisk.checkpoint();
    const log = openMemoryLogStore(seat.logDisk);
    await log.reset(applied);
    await log.close();
    const expected = StateImage.of({ ...backup.resident, membership: world.founding }, backup.records);
    const items = expected.difference(imageOf(seat.stateDisk));
    if (items.length === 0 && imageOf(seat.stateDisk).hash === expected.hash) return;
    broken("a restored cluster is as its backup", `${id} begins otherwise: ${items.slice(0, 5).join(", ")}`);
  }

  /** What was there when the backup was taken is there, at its revision. */
  private async readBack(): Promise<void> {
    const { header, records } = this.backup;
    const own = records.filter(({ namespace }) => namespace.name === "default");
    const revision = await this.client.readRevision();
    if (revision < header.revision) {
      broken(
        "a restored cluster is as its backup",
        `a read sees revision ${revision}, where the backup is of ${header.revision}`,
      );
    }
    for (const { record } of some(own, READ_MAX, this.random)) {
      const found = await this.client.read(record.key);
      // Nobody has written; but time goes on, and leases end.
      if (found === null && record.leaseId !== 0) continue;
      if (
        found !== null &&
        byteKey(found.value) === byteKey(record.value) &&
        found.modRevision === record.modRevision
      )
        continue;
      broken(
        "acknowledged writes survive",
        `the key ${hexEncode(record.key)} is not as in the backup, and nobody has written since`,
      );
    }
  }

  /** Clients go on with requests that they had sent before: those that the backup has are not carried out again. */
  private async sendAgain(): Promise<void> {
    const { answers, sessions } = this.backup.resident;
    const { applied } = this.backup.header;
    const kept = new Map(answers.map((answer) => [`${answer.clientId} ${answer.sequence}`, answer]));
    const open = new Set(sessions.map(({ clientId }) => clientId));
    const ofOpen = this.sent.filter(({ clientId }) => open.has(clientId));
    const known = ofOpen.filter(({ clientId, sequence }) => kept.has(`${clientId} ${sequence}`));
    const dropped = ofOpen.filter(
      ({ answered, clientId, sequence }) =>
        answered?.isDone === true && answered.index <= applied.index && !kept.has(`${clientId} ${sequence}`),
    );
    const later = ofOpen.filter(({ answered }) => answered === null || answered.index > applied.index);
    for (const write of some(known, SENT_AGAIN_MAX, this.random)) {
      const { clientId, sequence } = write;
      const told = hexEncode(kept.get(`${clientId} ${sequence}`)?.answer ?? new Uint8Array());
      await this.expectAnswer(write, told);
      // What the old cluster had told the client, it is told again.
      if (write.answered?.isDone === true) await this.expectAnswer(write, write.answered.answer);
    }
    for (const write of some(dropped, LATER_MAX, this.random)) await this.expectAnswer(write, null);
    // Lost with the cluster, or never done: they may be done now, and once.
    for (const write of some(
      later.filter((write) => !known.includes(write)),
      LATER_MAX,
      this.random,
    )) {
      const first = await this.client.submit(write.command);
      if (first.result?.$case === "done") await this.expectAnswer(write, hexEncode(encodeAnswer(first)));
    }
  }

  /** @param expected the answer, in hex; null: it has been given up, and the request must not be carried out */
  private async expectAnswer(write: SentWrite, expected: string | null): Promise<void> {
    const answer = await this.client.submit(write.command);
    const refusal = answer.result?.$case === "refused" ? answer.result.value.refusal : null;
    const { clientId, sequence } = write;
    if (refusal === Refusal.SESSION_EXPIRED || refusal === Refusal.ANSWER_DROPPED) {
      const session = await this.client.session(clientId);
      // Time goes on and sessions end; and what was sent later may have told that the answer has come.
      if (session === null || session.firstUnanswered > sequence) return;
    }
    const found = hexEncode(encodeAnswer(answer));
    if (found === expected) {
      this.answeredAlike += 1;
      return;
    }
    if (expected === null) {
      broken("applied once", `request ${sequence} of session ${clientId} is carried out anew: ${found}`);
    }
    broken(
      "the same answer",
      `request ${sequence} of session ${clientId} was answered with ${expected}, and in the restored cluster with ${found}`,
    );
  }

  /** Revisions and numbers of sessions go on from where they were. */
  private async goOn(): Promise<void> {
    const { header, resident } = this.backup;
    const key = utf8Encode("restored");
    const put = { key, value: key, leaseId: 0n, returnPrevious: false, expectedModRevision: null };
    const { revision } = await this.client.submit(encodeCommand(putCommand(SOURCE, put)));
    if (Number(revision) <= header.revision) {
      broken(
        "a restored cluster is as its backup",
        `a write has revision ${revision}, where the backup is of ${header.revision}`,
      );
    }
    const opened = await this.client.submit(encodeCommand(openSessionCommand(SOURCE, 5_000)));
    const clientId = opened.result?.$case === "done" ? Number(opened.result.value.clientId) : 0;
    // Refused where there are too many.
    if (opened.result?.$case === "done" && clientId < resident.meta.nextClientId) {
      broken("applied once", `a new session gets the number ${clientId}, which one of the old cluster had`);
    }
  }

  private compareAll(): void {
    const { world } = this;
    const seats = world.founding.members.map(({ memberId }) => world.seat(memberId));
    const [first] = seats;
    for (const { id, stateDisk, storeId } of seats) {
      const items = first === undefined ? [] : imageOf(first.stateDisk).difference(imageOf(stateDisk));
      if (items.length > 0) {
        broken("equal state", `${id} differs in the restored cluster: ${items.slice(0, 5).join(", ")}`);
      }
      const bound = world.membership.members.find(({ memberId }) => memberId === id)?.storeId;
      if (bound === storeId && world.membership.retiredStores.length === 0) continue;
      broken(
        "a restored cluster is as its backup",
        `${id} speaks for ${storeId}, and the cluster knows ${bound}`,
      );
    }
  }

  private disturb(): void {
    const { random, world } = this;
    world.timeline.after(-Math.log(1 - random.float()) * CRASH_US_MEAN, () => {
      if (!this.isDisturbed) return;
      const { members } = world.founding;
      const id = members[random.below(members.length)]?.memberId ?? "";
      world.crash(id);
      world.timeline.after(random.below(DOWN_US_MAX), () => world.start(id));
      this.disturb();
    });
  }

  private async expect(what: string, reached: () => boolean): Promise<void> {
    const { world } = this;
    if (await world.run(reached, world.timeline.nowUs + WITHIN_US)) return;
    const seats = world.seats.map(({ id, condition }) => `${id} ${condition}`).join(", ");
    throw new Violation(
      "liveness",
      what,
      `not within ${WITHIN_US / 1_000_000} s in the restored cluster: ${seats}`,
    );
  }

  private get isSettled(): boolean {
    const { world } = this;
    const indexes = new Set<number>();
    for (const { memberId } of world.founding.members) {
      const { condition, replica } = world.seat(memberId);
      if (condition !== "up" || replica === null) return false;
      const { appliedIndex, raft } = replica.status();
      if (appliedIndex !== raft.last.index) return false;
      indexes.add(appliedIndex);
    }
    // Each has told the leader which directory speaks for it.
    return indexes.size === 1 && world.membership.members.every(({ storeId }) => storeId !== null);
  }
}

const NOTHING: Omit<StateWrites, "meta" | "membership"> = {
  namespaces: [],
  sessions: [],
  sessionsEnded: [],
  answers: [],
  answersDropped: [],
  namespacesDeleted: [],
  leases: [],
  leasesEnded: [],
  leaseKeysDetached: [],
  leaseKeysAttached: [],
  changes: [],
};

/** At most so many of them, in their order. */
function some<Item>(items: readonly Item[], countMax: number, random: Random): readonly Item[] {
  const from = random.below(Math.max(1, items.length - countMax + 1));
  return items.slice(from, from + countMax);
}
