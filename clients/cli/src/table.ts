import Table, { type CellOptions } from "cli-table3";

/** One cell of a table. */
export type Cell = string | number | CellOptions;

/** Rows under a head, for people. */
export function tableOf(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
