/** The lines of both texts in order: `-` only expected, `+` only printed. By longest common subsequence. */
export function difference(expected: string, actual: string): readonly string[] {
  const left = expected.split("\n");
  const right = actual.split("\n");
  const common: number[][] = Array.from({ length: left.length + 1 }, () =>
    new Array<number>(right.length + 1).fill(0),
  );
  const commonAt = (row: number, column: number): number => common[row]?.[column] ?? 0;
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      const length =
        left[row] === right[column]
          ? commonAt(row + 1, column + 1) + 1
          : Math.max(commonAt(row + 1, column), commonAt(row, column + 1));
      (common[row] ?? [])[column] = length;
    }
  }
  const lines: string[] = [];
  let row = 0;
  let column = 0;
  while (row < left.length || column < right.length) {
    if (row < left.length && column < right.length && left[row] === right[column]) {
      lines.push(`  ${left[row]}`);
      row++;
      column++;
    } else if (
      column >= right.length ||
      (row < left.length && commonAt(row + 1, column) >= commonAt(row, column + 1))
    ) {
      lines.push(`- ${left[row]}`);
      row++;
    } else {
      lines.push(`+ ${right[column]}`);
      column++;
    }
  }
  return lines;
}
