import type { Network } from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";
import type { Timeline } from "../world-contract";
import type { WorldLimits } from "./bounds";
import type { Chronicle } from "./chronicle";
import type { ImageStreams } from "./image-streams";
import type { NamedChance } from "./named-chance";
import type { SimulatedSeat } from "./seat";
import type { ToldStores } from "./told-stores";

/** One life of the process of a seat, from when its stores are open. */
export interface Life extends ToldStores {
  readonly seat: SimulatedSeat;
  /** Runs in it, and no more once it has ended. */
  readonly enter: (run: () => void) => void;
}

/** What the processes of a world have around them. */
export interface Surroundings {
  readonly timeline: Timeline;
  readonly chance: NamedChance;
  readonly chronicle: Chronicle;
  readonly limits: WorldLimits;
  readonly readsByLease: boolean;
  readonly hasPromptTurns: boolean;
  readonly network: Network;
  readonly imageStreams: ImageStreams;
  readonly seats: readonly SimulatedSeat[];
  readonly seatOf: (id: MemberId) => SimulatedSeat;
}
