import type { MemberAddresses } from "#rpc";
import { advertisedAddressFault } from "#settings";
import { compareStrings } from "#std";
import { WrongSetting } from "./values";

const ID_SHAPE = /^[A-Za-z0-9._-]{1,64}$/;

export const ID_RULE = "an id is 1 to 64 letters, digits, dots, dashes or underscores";

/** What is wrong with the id of a member or a cluster, in words, or null. */
export function idFault(id: string): string | null {
  return ID_SHAPE.test(id) ? null : `"${id}" is no id; ${ID_RULE}`;
}

/** @throws WrongSetting */
export function membersOf(text: string): readonly MemberAddresses[] {
  const members = text.split(",").map((part): MemberAddresses => {
    const shape = /^([^=]*)=([^/]*)\/(.*)$/.exec(part.trim());
    if (shape === null)
      throw new WrongSetting("members", `"${part}" is not ID=CLIENTHOST:PORT/PEERHOST:PORT`);
    const [, id = "", clientAddress = "", peerAddress = ""] = shape;
    for (const fault of [
      idFault(id),
      withId(id, advertisedAddressFault(clientAddress)),
      withId(id, advertisedAddressFault(peerAddress)),
    ]) {
      if (fault !== null) throw new WrongSetting("members", fault);
    }
    return { id, clientAddress, peerAddress };
  });
  members.sort((left, right) => compareStrings(left.id, right.id));
  const seen = new Set<string>();
  for (const { id, clientAddress, peerAddress } of members) {
    for (const name of [`id ${id}`, `address ${clientAddress}`, `address ${peerAddress}`]) {
      if (seen.has(name))
        throw new WrongSetting("members", `${name} occurs twice; each must be one member's own`);
      seen.add(name);
    }
  }
  return members;
}

/** @throws WrongSetting */
export function peerRoutesOf(text: string | undefined): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const part of text === undefined ? [] : text.split(",")) {
    const shape = /^([^=]*)=(.*)$/.exec(part.trim());
    if (shape === null) throw new WrongSetting("peer-routes", `"${part}" is not ID=HOST:PORT`);
    const [, id = "", address = ""] = shape;
    const fault = idFault(id) ?? withId(id, advertisedAddressFault(address));
    if (fault !== null) throw new WrongSetting("peer-routes", fault);
    if (routes.has(id))
      throw new WrongSetting("peer-routes", `id ${id} occurs twice; give one route a member`);
    routes.set(id, address);
  }
  return routes;
}

function withId(id: string, fault: string | null): string | null {
  return fault === null ? null : `${id}: ${fault}`;
}
