import { setFlagsFromString } from "node:v8";

/**
 * By how much the old part of V8's heap may grow before garbage is looked for in it. Left to itself V8 lets it grow up to
 * fourfold where looking is cheap, which it is here: a node under load keeps some 18 MB, so it would stand at 70 MB of which 50
 * are garbage. With a half a leader at 64 puts in flight looked through all of it after every second to fourth collection of the
 * young, for what lives through two of those counts as old: a tenth of its CPU. With as much again it does after every sixth, for
 * 8 MB more. It is read at each collection.
 */
const HEAP_GROWTH_PERCENT = 100;

/**
 * How many bytes of bytecode a function runs before V8 looks whether to optimize it, where by itself it waits for 67,584. A
 * node that is called a few hundred times a second takes long to run through that, and all the while runs slower code: one put at
 * a time, 3 s after the start, came to 524 and 598 a second with V8's own and to 695 and 701 with this. Where thousands are
 * under way nothing changes, for there it is over in seconds. With 8,000 and 3,000 it came to no more. A gateway does little
 * for each call, so it is slow for longer: in its first 40,000 puts one costs its main thread 9.1 us with this and 10.7 without.
 */
const INTERRUPT_BUDGET_BYTES = 20_000;

/**
 * Sets what V8 is told for a process that serves for long. Both may be set while the process runs; given to `node` itself they
 * would make V8 refuse the code that was made of the program before.
 */
export function tuneEngine(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
}
