import {
  type Namespace,
  NamespaceServiceCreateRequest,
  NamespaceServiceCreateResponse,
  NamespaceServiceListRequest,
  NamespaceServiceListResponse,
} from "@quorate/proto/kv";
import { createNamespaceCommand, namespaceNameFault } from "#kv";
import { responseHeader } from "./header";
import { type UnaryMethod, unaryMethod } from "./method";
import { readPoint } from "./read-methods";
import { invalid } from "./request-fields";
import { sourceOf, submit } from "./submit";

/** The namespace whose sessions make the creation of another safe to repeat. */
const DEFAULT = { namespace: "" };

export const namespaceMethods = {
  create: unaryMethod(
    NamespaceServiceCreateRequest,
    NamespaceServiceCreateResponse,
    async (node, { name }, call) => {
      const fault = namespaceNameFault(name);
      if (fault !== null) throw invalid(fault);
      const command = createNamespaceCommand(sourceOf(node, DEFAULT, call), name);
      const { done, header } = await submit(node, call, command);
      return { header, namespace: { name, id: done.namespaceId, keys: 0n, bytes: 0n } };
    },
  ),

  list: unaryMethod(
    NamespaceServiceListRequest,
    NamespaceServiceListResponse,
    async (node, request, call) => {
      const { consistency, maxStalenessMs } = request;
      const fields = { ...DEFAULT, consistency, maxStalenessMs, minRevision: 0n, revision: 0n };
      const point = await readPoint(node, fields, call);
      const namespaces = node.replica.namespaces().map(
        ({ name, id, keyCount, byteCount }): Namespace => ({
          name,
          id: BigInt(id),
          keys: BigInt(keyCount),
          bytes: BigInt(byteCount),
        }),
      );
      return { header: responseHeader(node, point.term, point.revision), namespaces };
    },
  ),
} as const satisfies Record<string, UnaryMethod>;
