import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { COMMON_LABELS, definitions, type MetricDefinition } from "@quorate/services/metrics";
import { parse } from "yaml";

/* What an operator is given must speak of metrics that there are, and of all of them. */

const folder = resolve(__dirname, "../../../docs/operations");
const table: Readonly<Record<string, MetricDefinition>> = definitions;

interface Query {
  readonly where: string;
  readonly text: string;
}

function read(file: string): string {
  return readFileSync(join(folder, file), "utf8");
}

function dashboardQueries(): readonly Query[] {
  const { panels, templating } = JSON.parse(read("grafana.json")) as {
    readonly panels: readonly {
      readonly title: string;
      readonly targets?: readonly { readonly expr: string }[];
    }[];
    readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  };
  return [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, text: expr }))),
    ...templating.list
      .filter(({ query }) => query.startsWith("label_values("))
      .map(({ name, query }) => ({ where: name, text: query })),
  ];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

function rules(): readonly Rule[] {
  const { groups } = parse(read("alerts.yml")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  return groups.flatMap((group) => group.rules);
}

/** The name of the metric that a series belongs to, and the labels that a series has besides the metric's. */
function metricOf(series: string): { readonly name: string; readonly labels: readonly string[] } {
  const suffix = /_(bucket|sum|count)$/.exec(series);
  if (suffix === null || series in table) return { name: series, labels: [] };
  return { name: series.slice(0, suffix.index), labels: suffix[1] === "bucket" ? ["le"] : [] };
}

/** What is wrong with a query: metrics that are not there, histograms asked for as a whole, labels that they lack. */
function faultsOf({ where, text }: Query): string[] {
  const faults: string[] = [];
  const known = new Set<string>([...COMMON_LABELS, "job", "instance"]);
  for (const [series] of text.matchAll(/\b(?:quorate|process|nodejs)_\w+/g)) {
    const { name, labels } = metricOf(series);
    const definition = table[name];
    if (definition === undefined) {
      faults.push(`${where}: there is no ${series}`);
      continue;
    }
    if ((definition.type === "histogram") !== (series !== name))
      faults.push(`${where}: ${series} is no series`);
    for (const label of [...labels, ...(definition.labels ?? [])]) known.add(label);
  }
  const matched = [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = ""]) =>
    [...inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label!),
  );
  const grouped = [...text.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inner = ""]) => inner.split(/,\s*/));
  for (const label of [...matched, ...grouped]) {
    if (!known.has(label)) faults.push(`${where}: no metric in it has the label ${label}`);
  }
  return faults;
}

describe("the documents for operators", () => {
  it("L7: describe every metric as it is, and no other", () => {
    const rows = [...read("metrics.md").matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|$/gm)];
    const documented = Object.fromEntries(
      rows.map(([, name, type, labels, help]) => [
        name,
        { type, labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label), help },
      ]),
    );
    const exposed = Object.fromEntries(
      Object.entries(table).map(([name, { type, labels = [], help }]) => [name, { type, labels, help }]),
    );
    expect(documented).toEqual(exposed);
    for (const [, name, , , , normal] of rows) expect([name, normal]).not.toEqual([name, ""]);
  });

  it("L7: ask on the dashboard for metrics and labels that there are", () => {
    const queries = dashboardQueries();
    expect(queries.length).toBeGreaterThan(40);
    expect(queries.flatMap(faultsOf)).toEqual([]);
  });

  it("have panels that do not overlap, each with a name of its own", () => {
    const { panels } = JSON.parse(read("grafana.json")) as {
      readonly panels: readonly {
        readonly id: number;
        readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
      }[];
    };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it("L7: alert on metrics and labels that there are, and say what to do", () => {
    expect(rules().length).toBeGreaterThan(10);
    expect(rules().flatMap(({ alert, expr }) => faultsOf({ where: alert, text: expr }))).toEqual([]);
    for (const { alert, labels, annotations } of rules()) {
      expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(warning|critical)$/)]);
      expect([alert, Object.keys(annotations)]).toEqual([alert, ["summary", "action"]]);
    }
  });

  it("would notice a metric that is not there, a label that it lacks, and a histogram as a whole", () => {
    const faults = [
      "quorate_nothing",
      'quorate_raft_term{peer="n1"}',
      "rate(quorate_call_seconds[5m])",
    ].flatMap((text) => faultsOf({ where: "x", text }));
    expect(faults).toEqual([
      "x: there is no quorate_nothing",
      "x: no metric in it has the label peer",
      "x: quorate_call_seconds is no series",
    ]);
  });
});
