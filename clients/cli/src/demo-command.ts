import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reservePorts, startLocalCluster } from "@quorate/services/launcher";
import { Argument, type Command } from "commander";
import { exactlyOnce, lock, watch } from "./demo/client-demos";
import { concurrent, failover, replication } from "./demo/cluster-demos";
import { basic, restrictions, types } from "./demo/data-demos";
import { type Demo, DemoFailed, patientClient, Stage } from "./demo/stage";
import { EXIT, type ExitCode } from "./exit-codes";
import { guarded, type Session } from "./session";
import type { GlobalOptions } from "./settings";

const NODES = 3;

/** All demos by name, in the order in which `all` shows them. */
const demos = {
  basic,
  replication,
  types,
  restrictions,
  concurrent,
  failover,
  "exactly-once": exactlyOnce,
  watch,
  lock,
} as const satisfies Record<string, Demo>;

type DemoName = keyof typeof demos;

/** demo */
export function addDemoCommand(program: Command, session: Session): void {
  const names = Object.keys(demos) as DemoName[];
  program
    .command("demo")
    .description(
      "show, on a cluster started for it, what Quorate does; exit code 1 when a claim does not hold",
    )
    .addArgument(new Argument("<name>", "which one").choices([...names, "all"]))
    .addHelpText(
      "after",
      `\nExamples\n  quorate demo failover\n  quorate demo all\n\nDemos\n${names.map((name) => `  ${name.padEnd(13)} ${demos[name].description}`).join("\n")}`,
    )
    .action(async (name: DemoName | "all", _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await guarded(session, options, () => play(session, name === "all" ? names : [name]));
    });
}

/** Plays demos on one cluster of processes that is gone afterwards, whatever happens; Ctrl-C ends it too. */
async function play(session: Session, names: readonly DemoName[]): Promise<ExitCode> {
  const { terminal } = session;
  const ports = await reservePorts(NODES);
  const dataDir = await mkdtemp(join(tmpdir(), `quorate-demo-${process.pid}-`));
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt);
  try {
    await terminal.out(`starting ${NODES} nodes and a gateway …\n`);
    const cluster = await startLocalCluster({
      dataDir,
      nodes: NODES,
      basePort: ports.basePort,
      profile: "fast",
      signal: interrupted.signal,
    });
    try {
      for (const name of names) {
        await terminal.out(`\n== ${name}: ${demos[name].description}\n`);
        const stage = new Stage(cluster, patientClient(cluster.endpoints), terminal);
        const stopped = new Promise<"interrupted">((resolve) => {
          interrupted.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
        });
        try {
          if ((await Promise.race([demos[name].run(stage), stopped])) === "interrupted") return EXIT.failed;
          await stage.quorate.kv.truncate();
        } catch (error) {
          if (!(error instanceof DemoFailed)) throw error;
          terminal.err(error.message);
          return EXIT.failed;
        } finally {
          await stage.close();
          await stage.quorate.close();
        }
      }
      await terminal.out(
        `\n${names.length === 1 ? "the demo has" : "all demos have"} shown what was claimed\n`,
      );
      return EXIT.ok;
    } finally {
      await cluster.stop();
    }
  } finally {
    process.removeListener("SIGINT", interrupt);
    await rm(dataDir, { recursive: true, force: true });
    await ports.release();
  }
}
