import { expect } from "@jest/globals";
import { type Fault, type FaultKind, type FaultOf, faultTable } from "./fault";
import { type Roles, Run, rolesAt, SECOND_US, scheduleOf } from "./rig";

const SEED = 5;
/** All faults that last do so from the fifth second to the tenth. */
export const window = { atUs: 5 * SECOND_US, untilUs: 10 * SECOND_US };
export const instant = { atUs: 5 * SECOND_US };

export type MembershipFaultKind = Extract<FaultKind, `member_${string}` | `image_${string}` | "snapshot">;

/** A fault, and how its effect shows. */
export interface EffectCase<Kind extends FaultKind> {
  readonly nodes?: number;
  readonly latencyMeanMs?: number;
  readonly fault: (roles: Roles) => FaultOf<Kind>;
  /** What it needs besides. */
  readonly besides?: (roles: Roles) => readonly Fault[];
  /** Called when the run is at its twentieth second, and has been healed at the fifteenth. */
  readonly shows: (run: Run, roles: Roles) => void;
  /** Looks at the world meanwhile. */
  readonly watch?: (run: Run, roles: Roles) => void;
}

export type EffectCases<Kinds extends FaultKind> = { readonly [Kind in Kinds]: EffectCase<Kind> };

/** Runs the case, and looks that all is well again in the end. */
export async function expectEffect<Kind extends FaultKind>(
  kind: Kind,
  effect: EffectCase<Kind>,
): Promise<void> {
  const { fault, besides, watch, nodes = 3, latencyMeanMs = 0 } = effect;
  const base = { nodes, latencyMeanMs };
  const roles = await rolesAt(4.999, SEED, base);
  const faults: Fault[] = [fault(roles), ...(besides?.(roles) ?? [])];
  const run = new Run(SEED, scheduleOf(faults, base));
  watch?.(run, roles);
  run.at(15, () => run.attack.heal());
  await run.until(20);
  effect.shows(run, roles);
  expect(run.leaders.length).toBeGreaterThan(0);
  const up = run.world.seats.filter(({ condition }) => condition === "up");
  expect(up.length).toBeGreaterThanOrEqual(2);
  for (const { clock, disk } of up) {
    expect([clock.rate, clock.wallOffsetMs, disk.writeMeanUs < 10_000]).toEqual([1, 0, true]);
  }
  expect(up.filter(({ replica }) => replica?.isLeader)).toHaveLength(1);
  expect(Object.keys(faultTable)).toContain(kind);
}
