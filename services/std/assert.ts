/** Thrown where the program itself is wrong: never for bad input, a lost peer or a full queue. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Asserts a fact that only a bug of ours can break, in production too: a process that goes on with a broken
 * invariant spreads the damage, one that stops can be restarted from what it made durable.
 *
 * @param fact what must hold
 * @param sentence the fact in words, as it would be said when it holds
 * @throws AssertionError when it does not
 */
export function assert(fact: boolean, sentence: string): asserts fact {
  if (!fact) throw new AssertionError(`does not hold: ${sentence}`);
}

/** Closes an exhaustive switch: the compiler refuses a forgotten case, the run time a value from outside the type. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
