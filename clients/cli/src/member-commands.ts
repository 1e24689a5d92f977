import {
  type ClusterMember,
  type MemberChangeRequest,
  type NewMember,
  type Quorate,
  QuorateError,
} from "@quorate/client";
import { Argument, type Command } from "commander";
import { membersFor } from "./each-member";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { hostPort, memberChanges, priority } from "./member-change";
import { type Session, withClient } from "./session";
import { type GlobalOptions, milliseconds } from "./settings";
import { tableOf } from "./table";
import { writeJson } from "./write-json";

interface AddressFlags extends GlobalOptions {
  readonly client?: string;
  readonly peer?: string;
  readonly priority?: number;
}

interface AddFlags extends AddressFlags {
  readonly learner?: boolean;
}

interface ReplaceFlags extends AddressFlags {
  readonly wait: number | false;
}

/** member list, add, promote, remove, replace, update, change */
export function addMemberCommand(program: Command, session: Session): void {
  const member = program
    .command("member")
    .description("who belongs to the cluster: list, add, promote, remove and replace nodes")
    .addHelpText(
      "after",
      `
Examples
  quorate member list
  quorate member add n4 --client 10.0.0.4:7400 --peer 10.0.0.4:7420
  quorate member replace n1 n4 --client 10.0.0.4:7400 --peer 10.0.0.4:7420
  quorate member update n2 --priority 200
  quorate member change learner:n4=10.0.0.4:7400/10.0.0.4:7420 learner:n5=10.0.0.5:7400/10.0.0.5:7420
  quorate member change voter:n4 voter:n5
  quorate member remove n1`,
    );
  addList(member, session);
  addAdd(member, session);
  addPromote(member, session);
  addRemove(member, session);
  addReplace(member, session);
  addUpdate(member, session);
  addChange(member, session);
}

function addList(member: Command, session: Session): void {
  member
    .command("list")
    .description("the members, with their addresses and the part that each plays")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ cluster }) =>
        show(session, options, await cluster.members()),
      );
    });
}

function addAdd(member: Command, session: Session): void {
  withAddresses(member.command("add"))
    .description("add a learner, which becomes a voter as soon as it has caught up")
    .argument("<id>", "the new member, such as n4")
    .option("--learner", "it stays a learner until it is promoted")
    .addHelpText(
      "after",
      "\nStart the node with --join and the client addresses of members; see docs/operations/runbook.md.",
    )
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<AddFlags>();
      await withClient(session, options, async ({ cluster }) => {
        const promoteWhenCaughtUp = options.learner !== true;
        const members = await cluster.addMember({ ...newMember(id, options), promoteWhenCaughtUp });
        return show(session, options, members);
      });
    });
}

function addPromote(member: Command, session: Session): void {
  member
    .command("promote")
    .description("make a learner a voter; refused until it has caught up")
    .argument("<id>", "the learner")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ cluster }) =>
        show(session, options, await cluster.promoteMember(id)),
      );
    });
}

function addRemove(member: Command, session: Session): void {
  member
    .command("remove")
    .description("remove a member for good: it stops, and its data directory is refused from then on")
    .argument("<id>", "the member, the leader too")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ cluster }) =>
        show(session, options, await cluster.removeMember(id)),
      );
    });
}

function addReplace(member: Command, session: Session): void {
  withAddresses(member.command("replace"))
    .description("put a new member in the place of another, and wait until it votes and the other has left")
    .addHelpText(
      "after",
      "\nWithout --client and --peer the new member is where the old one was: the same machine, with an empty directory.",
    )
    .argument("<old>", "the member that leaves; it need not run")
    .argument("<new>", "the id of the one that comes")
    .option("--wait <time>", "how long to wait; the rest happens by itself", milliseconds, 600_000)
    .option("--no-wait", "only tell the cluster")
    .action(async (old: string, by: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ReplaceFlags>();
      await withClient(session, options, async (client) => {
        const { cluster } = client;
        const hasPlace = options.client !== undefined && options.peer !== undefined;
        const place = hasPlace ? {} : await placeOf(client, old);
        const member = newMember(by, { ...place, ...options });
        if (options.wait === false) {
          return show(session, options, await cluster.addMember({ ...member, replaces: old }));
        }
        if (!options.json)
          session.terminal.err(`${by} takes the place of ${old} once it runs and has caught up …`);
        const { wait } = options;
        const members = await cluster
          .replaceMember(old, member, { deadlineMs: wait })
          .catch((thrown) => throwAdvised(thrown, by));
        return show(session, options, members);
      });
    });
}

function addUpdate(member: Command, session: Session): void {
  withAddresses(member.command("update"))
    .description("change what the cluster knows of a member; what is not given stays")
    .argument("<id>", "the member")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<AddressFlags>();
      await withClient(session, options, async ({ cluster }) => {
        const { client, peer } = options;
        if (client === undefined && peer === undefined && options.priority === undefined) {
          throw new UsageFault("nothing is to be changed: give --client, --peer or --priority");
        }
        const update = {
          ...(client === undefined ? {} : { clientAddress: client }),
          ...(peer === undefined ? {} : { peerAddress: peer }),
          ...(options.priority === undefined ? {} : { priority: options.priority }),
        };
        return show(session, options, await cluster.updateMember(id, update));
      });
    });
}

function addChange(member: Command, session: Session): void {
  member
    .command("change")
    .description("make several changes in one step, by joint consensus")
    .addArgument(
      new Argument(
        "<change...>",
        "voter:ID, learner:ID or remove:ID; a new member is a learner first, with its addresses: learner:ID=CLIENT/PEER",
      ).argParser(memberChanges),
    )
    .action(async (changes: readonly MemberChangeRequest[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ cluster }) =>
        show(session, options, await cluster.changeMembers(changes)),
      );
    });
}

function withAddresses(command: Command): Command {
  return command
    .option("--client <host:port>", "where its client services are reached", hostPort)
    .option("--peer <host:port>", "where its peer service is reached", hostPort)
    .option(
      "--priority <number>",
      "0 to 1000, 100 by default: who leads among equals; 0: only if nobody else can",
      priority,
    );
}

/** A replacement that takes longer than it was waited for has not failed: what is there to do is said. */
function throwAdvised(thrown: unknown, by: string): never {
  const error = QuorateError.from(thrown);
  // The addition of the member, which is made once, ends otherwise.
  if (error.code !== "DEADLINE_EXCEEDED" || !error.message.startsWith(`${by} was added`)) throw error;
  throw new QuorateError(
    `${error.message}: quorate status tells how far ${by} is, quorate member list whether it is done; quorate member remove ${by} takes it back`,
    { code: error.code, reason: error.reason, retryable: error.retryable },
  );
}

/** Where a member is, as flags. @throws QuorateError UNKNOWN_MEMBER */
async function placeOf(
  client: Quorate,
  memberId: string,
): Promise<{ readonly client?: string; readonly peer?: string }> {
  const [found] = await membersFor(client, { member: memberId });
  return found === undefined ? {} : { client: found.clientAddress, peer: found.peerAddress };
}

function newMember(memberId: string, options: AddressFlags): NewMember {
  const { client, peer } = options;
  if (client === undefined)
    throw new UsageFault(`where are the client services of ${memberId}? Give --client HOST:PORT`);
  if (peer === undefined)
    throw new UsageFault(`where is the peer service of ${memberId}? Give --peer HOST:PORT`);
  return {
    memberId,
    clientAddress: client,
    peerAddress: peer,
    ...(options.priority === undefined ? {} : { priority: options.priority }),
  };
}

async function show(
  session: Session,
  options: GlobalOptions,
  members: Awaited<ReturnType<Quorate["cluster"]["members"]>>,
): Promise<ExitCode> {
  if (options.json) await writeJson(session, { members });
  else await session.terminal.out(`${memberTable(members)}\n`);
  return EXIT.ok;
}

function memberTable(members: readonly ClusterMember[]): string {
  return tableOf(
    ["member", "part", "clients", "peers", "priority", "store", "to come"],
    members.map((member) => [
      member.memberId,
      partOf(member),
      member.clientAddress,
      member.peerAddress,
      member.priority,
      member.storeId,
      expectationOf(member),
    ]),
  );
}

function partOf({ leader, voter }: ClusterMember): string {
  if (leader) return "leader";
  return voter ? "voter" : "learner";
}

function expectationOf({ voter, promoteWhenCaughtUp, replaces }: ClusterMember): string {
  if (voter || !promoteWhenCaughtUp) return "";
  return replaces === "" ? "votes when caught up" : `replaces ${replaces} when caught up`;
}
