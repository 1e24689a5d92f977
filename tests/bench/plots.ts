import { escapeHtml } from "../judge/timeline-html";

/** A bar of one or more parts, from left to right. */
export interface Bar {
  readonly label: string;
  readonly parts: readonly BarPart[];
  /** How far the rounds lie apart, as a thin line. */
  readonly range?: { readonly min: number; readonly max: number };
  /** What the bar should come to, as upright lines. */
  readonly marks?: readonly { readonly at: number; readonly title: string }[];
  /** Behind the bar. */
  readonly text: string;
}

export interface BarPart {
  readonly value: number;
  readonly colour: string;
  readonly title: string;
}

/** A line through named points. */
export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly dashes: string;
  /** One for each name on the x axis. */
  readonly values: readonly number[];
}

const WIDTH = 1_100;
const LEFT = 190;
const RIGHT = 230;
const ROW = 24;
const BAR = 15;

/** Bars below each other on one scale that begins at 0. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(Number.EPSILON, ...bars.flatMap((bar) => extentOf(bar)).filter(Number.isFinite));
  const x = (value: number) => round(LEFT + (finite(value) / most) * (WIDTH - LEFT - RIGHT));
  const rows = bars.map((bar, at) => {
    const top = at * ROW + 4;
    const middle = top + BAR / 2;
    let begun = 0;
    const parts = bar.parts.map(({ value, colour, title: name }) => {
      const from = x(begun);
      begun += finite(value);
      return `<rect x="${from}" y="${top}" width="${round(x(begun) - from)}" height="${BAR}" fill="${colour}"><title>${escapeHtml(name)}</title></rect>`;
    });
    const range =
      bar.range === undefined
        ? ""
        : `<line class="range" x1="${x(bar.range.min)}" x2="${x(bar.range.max)}" y1="${middle}" y2="${middle}"/>`;
    const marks = (bar.marks ?? []).map(
      (mark) =>
        `<line class="mark" x1="${x(mark.at)}" x2="${x(mark.at)}" y1="${top - 3}" y2="${top + BAR + 3}"><title>${escapeHtml(mark.title)}</title></line>`,
    );
    const end = x(Math.max(...extentOf(bar).map(finite)));
    return [
      textAt(LEFT - 10, top + 12, bar.label, "end"),
      ...parts,
      range,
      ...marks,
      textAt(end + 8, top + 12, bar.text, "tick"),
    ].join("\n");
  });
  return figure(title, bars.length * ROW + 8, rows.join("\n"));
}

const LINE_TOP = 12;
const LINE_HEIGHT = 180;
const LINE_BOTTOM = 28;

/** Lines over names, on a logarithmic scale, for values above 0. */
export function lineChart(
  title: string,
  names: readonly string[],
  lines: readonly Line[],
  unit: string,
): string {
  const values = lines.flatMap((line) => line.values).filter((value) => value > 0 && Number.isFinite(value));
  const decades = {
    from: Math.floor(Math.log10(Math.min(1, ...values))),
    to: Math.ceil(Math.log10(Math.max(1, ...values)) + Number.EPSILON),
  };
  const span = Math.max(1, decades.to - decades.from);
  const y = (value: number) =>
    round(
      LINE_TOP + LINE_HEIGHT * (1 - (Math.log10(Math.max(value, 10 ** decades.from)) - decades.from) / span),
    );
  const x = (at: number) => round(LEFT + (at / Math.max(1, names.length - 1)) * (WIDTH - LEFT - RIGHT));
  const grid = Array.from({ length: span + 1 }, (_, at) => {
    const value = 10 ** (decades.from + at);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}"/>${textAt(LEFT - 10, y(value) + 4, `${value.toLocaleString("en", { maximumFractionDigits: 6 })} ${unit}`, "tick end")}`;
  });
  const ticks = names.map((name, at) => textAt(x(at), LINE_TOP + LINE_HEIGHT + 18, name, "tick middle"));
  const drawn = lines.map(({ name, colour, dashes, values: of }) => {
    const points = of.flatMap((value, at) => (value > 0 ? [`${x(at)},${y(value)}`] : []));
    return `<polyline points="${points.join(" ")}" stroke="${colour}" stroke-dasharray="${dashes}"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const keys = apart(lines.map(({ name, values: of }) => ({ name, y: y(of.at(-1) ?? 0) }))).map(
    ({ name, y: at }) => textAt(WIDTH - RIGHT + 8, at + 4, name, "tick"),
  );
  return figure(
    title,
    LINE_TOP + LINE_HEIGHT + LINE_BOTTOM,
    [...grid, ...ticks, ...drawn, ...keys].join("\n"),
  );
}

/** Names for colours, for bars of more than one part. */
export function legend(entries: readonly { readonly name: string; readonly colour: string }[]): string {
  const keys = entries.map(
    ({ name, colour }) =>
      `<span><svg class="key" viewBox="0 0 30 8"><rect width="30" height="8" fill="${colour}"/></svg> ${escapeHtml(name)}</span>`,
  );
  return `<p class="legend">${keys.join(" ")}</p>`;
}

function extentOf({ parts, range, marks = [] }: Bar): readonly number[] {
  const sum = parts.reduce((total, { value }) => total + finite(value), 0);
  return [sum, ...(range === undefined ? [] : [range.max]), ...marks.map(({ at }) => at)];
}

/** Moves labels that would lie upon each other down, in the order in which they lie. */
function apart(labels: readonly { readonly name: string; readonly y: number }[]) {
  let lowest = Number.NEGATIVE_INFINITY;
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map((label) => {
      lowest = Math.max(label.y, lowest + 13);
      return { ...label, y: lowest };
    });
}

function figure(title: string, height: number, content: string): string {
  return `<figure><figcaption>${escapeHtml(title)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${round(height)}" role="img" aria-label="${escapeHtml(title)}">
${content}
</svg></figure>`;
}

function textAt(x: number, y: number, content: string, kind: string): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}">${escapeHtml(content)}</text>`;
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
