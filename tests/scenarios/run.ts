import type { Tracer } from "@quorate/services/raft";
import { Arguments } from "./arguments";
import { describeEvent, describeNode } from "./describe";
import { directiveFault, directivesWithInput, type LogLevel, perform, type Stage } from "./directives";
import { Environment, type ScenarioEvent } from "./environment";
import { type DirectiveRecord, recordOf } from "./record";
import { type Directive, parseScript, type Script, ScriptError } from "./script";

/** What one directive brought about. */
export interface Step {
  readonly directive: Directive;
  /** What is to stand below `----`. */
  readonly output: string;
  readonly record: DirectiveRecord;
}

/**
 * Reads a script.
 * @throws ScriptError for a line that is no directive or a directive that is not supported
 */
export function readScript(file: string, text: string): Script {
  const script = parseScript(file, text, directivesWithInput);
  for (const { name, line } of script.directives) {
    const fault = directiveFault(name);
    if (fault !== null) throw new ScriptError(file, line, fault);
  }
  return script;
}

/**
 * Carries out a script from its first directive to its last, whatever text it expects.
 * @param tracer told of the transitions of all nodes
 * @throws ScriptError at a directive with wrong arguments
 */
export function* runScript(script: Script, tracer: Tracer | null = null): Generator<Step, void> {
  const environment = new Environment(tracer);
  const stage: Stage = { environment, level: "debug", levelOnce: null };
  for (const directive of script.directives) {
    const before = environment.nodes.map(describeNode);
    stage.levelOnce = null;
    const report = perform(directive.name, stage, new Arguments(script.file, directive));
    const changed = environment.nodes.map(describeNode).filter((line, position) => line !== before[position]);
    const told = tell(stage.levelOnce ?? stage.level, {
      report,
      events: environment.takeEvents(),
      changed: directive.name === "raft-state" || directive.name === "status" ? [] : changed,
    });
    yield {
      directive,
      output: told.length === 0 ? "ok" : told.join("\n"),
      record: recordOf(script.file, directive.text, environment),
    };
  }
}

/** Refusals are told at every level: a script that drops a proposal unawares would test nothing. */
function tell(
  level: LogLevel,
  outcome: {
    readonly report: readonly string[];
    readonly events: readonly ScenarioEvent[];
    readonly changed: readonly string[];
  },
): readonly string[] {
  const events = level === "debug" ? withoutPassedOn(outcome.events) : outcome.events.filter(isRefusal);
  const told = events.map(describeEvent);
  return level === "none" ? told : [...outcome.report, ...told, ...outcome.changed];
}

/** A message that is sent and received by the same directive is told once, where it arrives. */
function withoutPassedOn(events: readonly ScenarioEvent[]): readonly ScenarioEvent[] {
  const arrived = new Set(
    events.flatMap((event) => (event.kind === "received" || event.kind === "dropped" ? [event.message] : [])),
  );
  return events.filter((event) => event.kind !== "sent" || !arrived.has(event.message));
}

function isRefusal(event: ScenarioEvent): boolean {
  return event.kind === "refused";
}
