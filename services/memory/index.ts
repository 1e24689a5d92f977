export { DiskFaults, type DiskHooks, type FailedWrite } from "./disk-faults";
export { MemoryLogDisk } from "./log-disk";
export { openMemoryLogStore } from "./log-store";
export { MemoryStateDisk } from "./state-disk";
export { openMemoryStateStore } from "./state-store";
