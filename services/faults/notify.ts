import type { Message, MessageKind } from "#raft";
import type { NetworkFilter } from "./filter";

/** Tells the listener of each message of that kind, and lets everything pass. */
export function notifyKind<Kind extends MessageKind>(
  kind: Kind,
  listener: (message: Extract<Message, { kind: Kind }>) => void,
): NetworkFilter {
  return {
    name: `notifyKind(${kind})`,
    apply: (delivery) => {
      const { message } = delivery;
      if (isOfKind(message, kind)) listener(message);
      return [delivery];
    },
  };
}

function isOfKind<Kind extends MessageKind>(
  message: Message,
  kind: Kind,
): message is Extract<Message, { kind: Kind }> {
  return message.kind === kind;
}
