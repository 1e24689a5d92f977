/**
 * The same number, as V8 keeps an integer of 32 bits where it is one. What was computed or read as a double stays one to V8 whatever
 * it comes to; put into a field it makes that field a double's, for all objects of the same shape: each has a number on the
 * heap, and those that were made before are changed one by one when they are used (v8.dev/blog/react-cliff).
 */
export function asInteger(value: number): number {
  const integer = value | 0;
  return integer === value ? integer : value;
}
