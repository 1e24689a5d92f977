import {
  type Namespace,
  NamespaceServiceCreateRequest,
  NamespaceServiceCreateResponse,
  NamespaceServiceDeleteRequest,
  NamespaceServiceDeleteResponse,
  NamespaceServiceListRequest,
  NamespaceServiceListResponse,
  NamespaceServiceSetQuotaRequest,
  NamespaceServiceSetQuotaResponse,
} from "@quorate/proto/kv";
import {
  createNamespaceCommand,
  deleteNamespaceCommand,
  namespaceNameFault,
  oldestReadable,
  setQuotaCommand,
} from "#kv";
import { responseHeader } from "./header";
import { type UnaryMethod, unaryMethod } from "./method";
import { readPoint } from "./read-methods";
import { checkQuota, invalid } from "./request-fields";
import { sourceOf, submit } from "./submit";

/** The namespace whose sessions make the creation of another safe to repeat. */
const DEFAULT = { namespace: "" };

export const namespaceMethods = {
  create: unaryMethod(
    NamespaceServiceCreateRequest,
    NamespaceServiceCreateResponse,
    async (node, { name, keysMax, bytesMax }, call) => {
      const fault = namespaceNameFault(name);
      if (fault !== null) throw invalid(fault);
      const command = createNamespaceCommand(sourceOf(node, DEFAULT, call), name, {
        keysMax: checkQuota(keysMax, "keys_max"),
        bytesMax: checkQuota(bytesMax, "bytes_max"),
      });
      const { done, header } = await submit(node, call, command);
      const nothing = { keys: 0n, bytes: 0n, oldestRevision: 0n };
      return { header, namespace: { name, id: done.namespaceId, keysMax, bytesMax, ...nothing } };
    },
  ),

  delete: unaryMethod(
    NamespaceServiceDeleteRequest,
    NamespaceServiceDeleteResponse,
    async (node, { name }, call) => {
      const fault = namespaceNameFault(name);
      if (fault !== null) throw invalid(fault);
      const command = deleteNamespaceCommand(sourceOf(node, DEFAULT, call), name);
      const { done, header } = await submit(node, call, command);
      return { header, deleted: done.deleted };
    },
  ),

  setQuota: unaryMethod(
    NamespaceServiceSetQuotaRequest,
    NamespaceServiceSetQuotaResponse,
    async (node, { name, keysMax, bytesMax }, call) => {
      const fault = namespaceNameFault(name);
      if (fault !== null) throw invalid(fault);
      const command = setQuotaCommand(sourceOf(node, DEFAULT, call), name, {
        keysMax: checkQuota(keysMax, "keys_max"),
        bytesMax: checkQuota(bytesMax, "bytes_max"),
      });
      const { header } = await submit(node, call, command);
      return { header };
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
        (namespace): Namespace => ({
          name: namespace.name,
          id: BigInt(namespace.id),
          keys: BigInt(namespace.keyCount),
          bytes: BigInt(namespace.byteCount),
          keysMax: BigInt(namespace.keysMax ?? 0),
          bytesMax: BigInt(namespace.bytesMax ?? 0),
          oldestRevision: BigInt(oldestReadable(namespace, node.replica.meta)),
        }),
      );
      return { header: responseHeader(node, point.term, point.revision), namespaces };
    },
  ),
} as const satisfies Record<string, UnaryMethod>;
