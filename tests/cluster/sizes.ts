/** A size of a large test: a whole number above 0 from that environment variable, so that it can be tried small. */
export function sizeFrom(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined || text === "") return otherwise;
  const size = Number(text);
  if (!Number.isSafeInteger(size) || size < 1)
    throw new Error(`${variable} must be a whole number of at least 1, not "${text}"`);
  return size;
}
