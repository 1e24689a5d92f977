export { Attack, applySchedule } from "./apply";
export { CALM_CLIENTS, type ClientFaults, drawClientFaults } from "./client-faults";
export {
  type ClockFault,
  type CrashPoint,
  type DiskFault,
  type DiskName,
  damagedMember,
  endOf,
  FAULT_KINDS,
  type Fault,
  type FaultKind,
  type FaultOf,
  faultTable,
  LEADER,
  type NetworkFault,
  type OperationFault,
  type ProcessFault,
  type Target,
} from "./fault";
export {
  isProfileName,
  PROFILE_NAMES,
  type Profile,
  type ProfileName,
  profiles,
  profileUsage,
} from "./profiles";
export {
  drawSchedule,
  MORE_SEATS,
  memberIds,
  type Schedule,
  type ScheduleOptions,
  seatIds,
} from "./schedule";
export { type ShrinkOptions, type Shrunk, shrink } from "./shrink";
