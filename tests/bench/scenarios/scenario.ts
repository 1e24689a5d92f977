import type { Profile } from "@quorate/services/launcher";
import type { Figures, Goal } from "./goal";
import type { Subject } from "./subject";

/** A number that a scenario can be given as `--NAME N`. */
export interface NumberOption {
  readonly default: number;
  readonly about: string;
}

/** What a round has at hand. */
export interface Stage {
  readonly profile: Profile;
  /** Three running nodes, the same for all rounds. */
  cluster(): Promise<Subject>;
  /** Nodes without data that do not run; stopped at the end of the round. */
  fresh(nodes: number): Promise<Subject>;
}

/** Something that happens to a cluster, and what is measured of it. */
export interface Scenario<Option extends string = string> {
  readonly about: string;
  /** How many rounds there are by default. */
  readonly rounds: number;
  readonly options: Readonly<Record<Option, NumberOption>>;
  readonly round: (stage: Stage, options: Readonly<Record<Option, number>>) => Promise<Figures>;
  /** For the medians over all rounds. */
  readonly goals: (profile: Profile, options: Readonly<Record<Option, number>>) => readonly Goal[];
}
