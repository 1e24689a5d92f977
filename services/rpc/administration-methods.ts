import {
  DropClientRequest,
  DropClientResponse,
  SetLogLevelRequest,
  SetLogLevelResponse,
  TakeSnapshotRequest,
  TakeSnapshotResponse,
} from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure } from "#forward";
import { type UnaryMethod, unaryMethod } from "./method";
import { type LogLevel, logLevels } from "./node-context";
import { invalid } from "./request-fields";

/** What an operator does to one node. */
export const administrationMethods = {
  takeSnapshot: unaryMethod(TakeSnapshotRequest, TakeSnapshotResponse, async (node, _request, call) => {
    call.isSubmitted = true;
    const { index, logFirstIndex } = await node.replica.takeSnapshot();
    return {
      memberId: node.memberId,
      snapshotIndex: BigInt(index),
      logFirstIndex: BigInt(logFirstIndex),
    };
  }),

  dropClient: unaryMethod(DropClientRequest, DropClientResponse, async (node, { address }) => {
    if (address === "") throw invalid("address must be set: ListClients has those of all clients");
    if (node.administration.dropClient(address)) return {};
    throw new CallFailure(ErrorReason.UNKNOWN_CLIENT, `there is no connection from "${address}"`);
  }),

  setLogLevel: unaryMethod(SetLogLevelRequest, SetLogLevelResponse, async (node, { level }) => {
    if (!isLogLevel(level)) throw invalid(`level is "${level}", not one of ${logLevels.join(", ")}`);
    const previous = node.administration.setLogLevel(level);
    node.log.info({ logLevel: level, previous }, "the log level was changed");
    return { previous };
  }),
} as const satisfies Record<string, UnaryMethod>;

function isLogLevel(level: string): level is LogLevel {
  return (logLevels as readonly string[]).includes(level);
}
