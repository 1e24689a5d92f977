import { backupFaults } from "./backup-faults";
import { diskFaults } from "./disk-faults";
import type { Fault, FaultGroup } from "./fault";
import { membersFaults } from "./members-faults";
import { networkFaults } from "./network-faults";
import { processFaults } from "./process-faults";
import { replicaFaults } from "./replica-faults";
import { snapshotFaults } from "./snapshot-faults";

const table = {
  ...processFaults,
  ...networkFaults,
  ...diskFaults,
  ...membersFaults,
  ...snapshotFaults,
  ...replicaFaults,
  ...backupFaults,
};

export type FaultName = keyof typeof table;

/** All faults by name. */
export const FAULTS: Readonly<Record<FaultName, Fault>> = table;

export const FAULT_NAMES = Object.keys(table) as readonly FaultName[];

/** The faults that a group stands for. */
export function faultsOf(group: FaultGroup): readonly FaultName[] {
  return FAULT_NAMES.filter((name) => FAULTS[name].group === group);
}
