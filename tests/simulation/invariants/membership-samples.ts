import {
  type Command,
  type ConfigurationState,
  changeMembershipCommand,
  encodeCommand,
  type MemberInfo,
} from "@quorate/services/kv";
import { type Configuration, configurationOf, type Entry } from "@quorate/services/raft";

/** From n1 n2 n3 to n1 n4 n5, half way. */
export const JOINT: Configuration = {
  ...configurationOf(["n1", "n4", "n5"]),
  votersOutgoing: ["n1", "n2", "n3"],
};

/** A member as the command that adds it describes it. */
export function infoOf(id: string): MemberInfo {
  return {
    memberId: id,
    clientAddress: `${id}:1`,
    peerAddress: `${id}:2`,
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: "",
  };
}

/** The change to a configuration, and the members that it adds. */
export function changing(configuration: ConfigurationState, ...added: string[]): Command {
  return changeMembershipCommand(configuration, added.map(infoOf), 1);
}

/** A log entry that changes to a configuration. */
export function entryOf(index: number, configuration: ConfigurationState, term = 1): Entry {
  return { term, index, kind: "conf_change_v2", data: encodeCommand(changing(configuration)) };
}
