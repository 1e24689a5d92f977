import {
  type ClusterClient,
  type LogLevel,
  type NodeStats,
  type Quorate,
  QuorateError,
} from "@quorate/client";
import { Argument, type Command } from "commander";
import {
  askEach,
  type MemberAnswer,
  type MemberFlags,
  membersFor,
  reportFailures,
  withMember,
} from "./each-member";
import { EXIT } from "./exit-codes";
import { type Session, withClient } from "./session";
import { tableOf } from "./table";
import { duration, size } from "./units";
import { writeJson } from "./write-json";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const satisfies readonly LogLevel[];

/** cluster snapshot, log-level, clients, drop-client, stats */
export function addNodeCommands(cluster: Command, session: Session): void {
  addSnapshot(cluster, session);
  addLogLevel(cluster, session);
  addClients(cluster, session);
  addDropClient(cluster, session);
  addStats(cluster, session);
}

function addSnapshot(cluster: Command, session: Session): void {
  withMember(cluster.command("snapshot"))
    .description("have the nodes make their state durable and cut their logs; they also do so by themselves")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<MemberFlags>();
      await withClient(session, options, async (client) => {
        const answers = await askEach(await membersFor(client, options), (at) =>
          client.cluster.takeSnapshot({
            ...at,
            ...(options.deadline === undefined ? {} : { deadlineMs: options.deadline * 1000 }),
          }),
        );
        const points = answered(answers);
        if (options.json) await writeJson(session, { members: points });
        else if (points.length > 0) {
          const rows = points.map(({ memberId, snapshotIndex, logFirstIndex }) => [
            memberId,
            snapshotIndex,
            logFirstIndex,
          ]);
          await session.terminal.out(`${tableOf(["node", "state durable up to", "log begins at"], rows)}\n`);
        }
        return reportFailures(session, options, answers);
      });
    });
}

function addLogLevel(cluster: Command, session: Session): void {
  withMember(cluster.command("log-level"))
    .description("change what the nodes log, until they are restarted")
    .addArgument(new Argument("<level>", "this and what is graver").choices(LOG_LEVELS))
    .action(async (level: LogLevel, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<MemberFlags>();
      await withClient(session, options, async (client) => {
        const answers = await askEach(await membersFor(client, options), async (at, { memberId }) => ({
          memberId,
          level,
          previous: await client.cluster.setLogLevel(level, at),
        }));
        const changed = answered(answers);
        if (options.json) await writeJson(session, { members: changed });
        else
          for (const { memberId, previous } of changed)
            await session.terminal.out(`${memberId} logs ${level}; before: ${previous}\n`);
        return reportFailures(session, options, answers);
      });
    });
}

function addClients(cluster: Command, session: Session): void {
  withMember(cluster.command("clients"))
    .description("the connections of clients and gateways to the nodes, oldest first")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<MemberFlags>();
      await withClient(session, options, async (client) => {
        const answers = await connections(client, options);
        const members = answered(answers);
        if (options.json) await writeJson(session, { members });
        else {
          const rows = members.flatMap(({ memberId, clients }) =>
            clients.map(({ address, connectedMs, bytesReceived, bytesSent }) => [
              memberId,
              address,
              duration(connectedMs),
              size(bytesReceived),
              size(bytesSent),
            ]),
          );
          await session.terminal.out(`${tableOf(["node", "client", "connected for", "in", "out"], rows)}\n`);
        }
        return reportFailures(session, options, answers);
      });
    });
}

function addDropClient(cluster: Command, session: Session): void {
  withMember(cluster.command("drop-client"))
    .description("cut a connection; a client of Quorate makes another, and repeats what was open on it")
    .argument("<address>", "the client, as `cluster clients` shows it")
    .action(async (client: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<MemberFlags>();
      await withClient(session, options, async (quorate) => {
        const answers = await connections(quorate, options);
        const members = answered(answers).filter(({ clients }) =>
          clients.some(({ address }) => address === client),
        );
        if (members.length === 0) {
          reportFailures(session, options, answers);
          throw new QuorateError(`no node has a connection from ${client}: see cluster clients`, {
            code: "NOT_FOUND",
            reason: "UNKNOWN_CLIENT",
            outcome: "not_applied",
          });
        }
        for (const { memberId, at } of members) {
          await quorate.cluster.dropClient(client, { address: at });
          if (options.json) await writeJson(session, { memberId, dropped: client });
          else await session.terminal.out(`${memberId} cut the connection from ${client}\n`);
        }
        return EXIT.ok;
      });
    });
}

function addStats(cluster: Command, session: Session): void {
  withMember(cluster.command("stats"))
    .description("how many calls the nodes served, by method, and what they store")
    .option("--reset", "let the counters begin from zero behind this")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<MemberFlags & { readonly reset?: boolean }>();
      await withClient(session, options, async (client) => {
        const answers = await askEach(await membersFor(client, options), (at) =>
          client.cluster.stats({ ...at, reset: options.reset ?? false }),
        );
        const members = answered(answers);
        if (options.json) await writeJson(session, { members });
        else await session.terminal.out(`${statsText(members)}\n`);
        return reportFailures(session, options, answers);
      });
    });
}

/** The connections of each member, with where the member itself is. */
function connections(
  client: Quorate,
  options: MemberFlags,
): Promise<
  readonly MemberAnswer<{
    readonly memberId: string;
    readonly at: string;
    readonly clients: readonly ClusterClient[];
  }>[]
> {
  return membersFor(client, options).then((members) =>
    askEach(members, async (at, { memberId, clientAddress }) => ({
      memberId,
      at: clientAddress,
      clients: await client.cluster.clients(at),
    })),
  );
}

function statsText(members: readonly NodeStats[]): string {
  const methods = new Set(members.flatMap((stats) => stats.methods.map(({ method }) => method)));
  const rows = [...methods].toSorted().map((method) => [
    method,
    ...members.map((stats) => {
      const found = stats.methods.find((counter) => counter.method === method);
      if (found === undefined) return "";
      return found.failed === 0 ? `${found.ok}` : `${found.ok}, ${found.failed} failed`;
    }),
  ]);
  return tableOf(
    ["", ...members.map(({ memberId }) => memberId)],
    [
      ...rows,
      ["forwarded", ...members.map(({ forwarded }) => forwarded)],
      ["keys", ...members.map(({ keys }) => keys)],
      ["bytes", ...members.map(({ bytes }) => size(bytes))],
    ],
  );
}

function answered<T>(answers: readonly MemberAnswer<T>[]): readonly T[] {
  return answers.flatMap(({ answer }) => (answer === null ? [] : [answer]));
}
