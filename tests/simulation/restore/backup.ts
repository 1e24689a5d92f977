import {
  type Answer,
  type Command,
  decodeCommand,
  encodeAnswer,
  Refusal,
  type ResidentState,
} from "@quorate/services/kv";
import { type ImageChunk, type ImageHeader, StateReplaced, StoreFailure } from "@quorate/services/replica";
import { hexEncode } from "@quorate/services/std";
import type { ClientWatcher } from "../clients/events";
import { type NewestRecord, newestRecords } from "../invariants/equal-state";
import type { World } from "../world-contract";

/** What a member gave of its state, and what that was when it began to. */
export interface Backup {
  readonly header: ImageHeader;
  readonly chunks: readonly ImageChunk[];
  readonly resident: ResidentState;
  readonly records: readonly NewestRecord[];
}

/** A write of a client in a session, as it was sent first. */
export interface SentWrite {
  readonly clientId: number;
  readonly sequence: number;
  readonly command: Uint8Array;
  /** What was said to it, and the index of its entry; null where no member has said anything. */
  answered: { readonly index: number; readonly answer: string; readonly isDone: boolean } | null;
}

const FIRST_US_MAX = 15_000_000;
const RETRY_US = 400_000;

/** Takes one backup amid a run, of whichever member it comes upon, and notes what clients write in sessions. */
export class BackupTaker implements ClientWatcher {
  private found: Backup | null = null;
  private isTaking = false;
  private readonly writes = new Map<string, SentWrite>();

  constructor(private readonly world: World) {
    world.timeline.after(world.random("backup").below(FIRST_US_MAX), () => this.tryFrom());
  }

  get backup(): Backup | null {
    return this.found;
  }

  /** By session, in the order of their sequences. */
  get sent(): readonly SentWrite[] {
    return [...this.writes.values()].sort(
      (left, right) => left.clientId - right.clientId || left.sequence - right.sequence,
    );
  }

  submitted({ command }: { readonly command: Uint8Array }): void {
    const request = requestOf(decodeCommand(command));
    if (request === null || this.writes.has(request.name)) return;
    const { clientId, sequence, name } = request;
    this.writes.set(name, { clientId, sequence, command, answered: null });
  }

  answered({ command, entry, answer }: Parameters<NonNullable<ClientWatcher["answered"]>>[0]): void {
    const request = requestOf(decodeCommand(command));
    const write = request === null ? undefined : this.writes.get(request.name);
    // What came too early is sent again, and has its answer then.
    if (write === undefined || isOutOfOrder(answer)) return;
    const isDone = answer.result?.$case === "done";
    write.answered ??= { index: entry.index, answer: hexEncode(encodeAnswer(answer)), isDone };
  }

  private tryFrom(): void {
    const { world } = this;
    if (this.found !== null || this.isTaking) return;
    const random = world.random("backup");
    const seats = world.seats.filter(
      ({ condition, isStrange, damagedRecords }) =>
        condition === "up" && !isStrange && damagedRecords.length === 0,
    );
    const seat = seats[random.below(Math.max(1, seats.length))];
    world.timeline.after(RETRY_US, () => this.tryFrom());
    if (seat === undefined) return;
    world.call(seat.id, ({ images }) => {
      const image = images.open();
      if (image === "too_many") return;
      const { imageId, state } = image;
      const resident = seat.stateDisk.resident();
      const records = [...newestRecords(seat.stateDisk, resident.namespaces)];
      this.isTaking = true;
      const chunks: ImageChunk[] = [];
      const read = async (): Promise<void> => {
        for await (const chunk of state.chunks(null)) chunks.push(chunk);
      };
      void read().then(
        () => {
          images.sent(imageId);
          this.isTaking = false;
          this.found = { header: state.header, chunks, resident, records };
          world.note(`a backup of ${seat.id} at ${state.header.applied.index} is taken`);
        },
        (error: unknown) => {
          this.isTaking = false;
          // Its process ended meanwhile, or another state took the place of this one.
          if (error instanceof StoreFailure || error instanceof StateReplaced) return;
          throw error;
        },
      );
    });
  }
}

function requestOf(
  command: Command | null,
): { readonly clientId: number; readonly sequence: number; readonly name: string } | null {
  const requestId = command?.requestId;
  if (requestId === undefined) return null;
  const [clientId, sequence] = [Number(requestId.clientId), Number(requestId.sequence)];
  return { clientId, sequence, name: `${clientId} ${sequence}` };
}

function isOutOfOrder({ result }: Answer): boolean {
  return result?.$case === "refused" && result.value.refusal === Refusal.OUT_OF_ORDER;
}
