export { Barrier, type BarrierOptions, type BarrierWaitOptions } from "./barrier";
export { Election, type Leader, Leadership, type ObserveOptions } from "./election";
export { Holding } from "./holding";
export type { Ground } from "./line";
export { HOLD_TTL_MS, type HoldOptions, Lock, takeLock, tryLock } from "./lock";
export { type AcquireOptions, Permit, Semaphore, type SemaphoreOptions } from "./semaphore";
export type { WaitOptions } from "./waiting";
