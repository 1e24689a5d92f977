import type { MemberId } from "@quorate/services/raft";
import type { Seat } from "../world-contract";

/** A number of a seat that several faults may turn at a time. */
export interface Knob {
  get(seat: Seat): number;
  set(seat: Seat, value: number): void;
  /** What it is under all those values. */
  combined(base: number, values: readonly number[]): number;
}

/** The faults that turn one knob now, so that the end of one leaves the others in force. */
export class Layers {
  private readonly turned = new Map<
    MemberId,
    { readonly seat: Seat; readonly base: number; values: readonly Layer[] }
  >();

  constructor(private readonly knob: Knob) {}

  /** Returns how to take it away again. */
  put(seat: Seat, value: number): () => void {
    const present = this.turned.get(seat.id) ?? { seat, base: this.knob.get(seat), values: [] };
    this.turned.set(seat.id, present);
    const layer: Layer = { value };
    present.values = [...present.values, layer];
    this.turn(seat.id);
    return () => {
      present.values = present.values.filter((other) => other !== layer);
      this.turn(seat.id);
    };
  }

  clear(): void {
    for (const [id, present] of this.turned) {
      present.values = [];
      this.turn(id);
    }
  }

  private turn(id: MemberId): void {
    const present = this.turned.get(id);
    if (present === undefined) return;
    const { seat, base, values } = present;
    this.knob.set(
      seat,
      values.length === 0
        ? base
        : this.knob.combined(
            base,
            values.map(({ value }) => value),
          ),
    );
  }
}

interface Layer {
  readonly value: number;
}

export const clockRate: Knob = {
  get: (seat) => seat.clock.rate,
  set: (seat, rate) => {
    seat.clock.rate = rate;
  },
  combined: (base, rates) => rates.reduce((product, rate) => product * rate, base),
};

export const wallOffsetMs: Knob = {
  get: (seat) => seat.clock.wallOffsetMs,
  set: (seat, offsetMs) => {
    seat.clock.wallOffsetMs = offsetMs;
  },
  combined: (base, offsets) => offsets.reduce((sum, offset) => sum + offset, base),
};

export const writeMeanUs: Knob = {
  get: (seat) => seat.disk.writeMeanUs,
  set: (seat, meanUs) => {
    seat.disk.writeMeanUs = meanUs;
  },
  combined: (base, means) => Math.max(base, ...means),
};

/** How many faults want the disk to be nearly full. */
export function shortage(setLow: (id: MemberId, isLow: boolean) => void): Knob {
  return {
    get: () => 0,
    set: (seat, count) => setLow(seat.id, count > 0),
    combined: (base, counts) => counts.reduce((sum, count) => sum + count, base),
  };
}
