/*
 * What comes from outside, such as a chunk of a connection, is told to many, and what it brings about is done behind it: who
 * was told of several things looks at them together, and what all of them say leaves in one write. The order behind each
 * input is this: whoever asked for it (`afterInput`), then the writes, then whoever asked meanwhile, and so on.
 *
 * Done by hand and not by ticks of Node, whose order can not be said so: with them a batch was applied before the writes, and
 * a leader had 15 of them, and four microtasks, for a put that was alone under way.
 */

/** Who has something to be written. */
export interface Writer {
  /** Writes what is there, if anything is. */
  flush(): void;
}

// As they are now: `process` is looked up anew at each use, and fake timers of a test runner replace what it has.
const { nextTick } = process;
const SETTLED = Promise.resolve();

let isTakingIn = false;
/** What is to be done behind the input that is being taken in. */
let waiting: (() => void)[] = [];
/** Who writes behind it. */
let unwritten: Writer[] = [];
/** Who writes when what goes on now is over, with all promises that settle by it. */
let later: Writer[] = [];

/** Tells what came from outside, and does all that is to be done behind it. */
export function takeIn<Input>(tell: (input: Input) => void, input: Input): void {
  // Behind the outer one.
  if (isTakingIn) {
    tell(input);
    return;
  }
  isTakingIn = true;
  try {
    tell(input);
    while (waiting.length > 0 || unwritten.length > 0) {
      const tasks = waiting;
      waiting = [];
      for (const run of tasks) run();
      writeNow();
    }
  } finally {
    isTakingIn = false;
    // Nothing is left, unless something was thrown, which is a fault of ours.
    if (waiting.length > 0) waiting = [];
    if (unwritten.length > 0) unwritten = [];
  }
}

/** Runs once, behind the input that is being taken in; outside of any, when what goes on now is over. */
export function afterInput(run: () => void): void {
  if (isTakingIn) waiting.push(run);
  else nextTick(takeIn, run, undefined);
}

/**
 * The writer writes behind the input that is being taken in.
 *
 * @returns false outside of any, when nothing is done
 */
export function writeAfterInput(writer: Writer): boolean {
  if (!isTakingIn) return false;
  unwritten.push(writer);
  return true;
}

/**
 * Has those write at once who are to write behind the input that is being taken in: for what somebody waits for who is not
 * to wait for the rest of what it brings about.
 */
export function writeNow(): void {
  const writers = unwritten;
  if (writers.length === 0) return;
  unwritten = [];
  writeAll(writers);
}

/** The writer writes when what goes on now is over, with all promises that settle by it. */
export function writeLater(writer: Writer): void {
  later.push(writer);
  // Not queueMicrotask(), which makes an AsyncResource for each.
  if (later.length === 1) void SETTLED.then(afterPromises);
}

function afterPromises(): void {
  const writers = later;
  later = [];
  nextTick(writeAll, writers);
}

function writeAll(writers: readonly Writer[]): void {
  for (const writer of writers) writer.flush();
}
