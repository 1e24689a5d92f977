import { bytes, type TestCluster } from "#support";

/** A namespace of a row's own. */
export async function ownNamespace(c: TestCluster, name: string, fields: object = {}): Promise<string> {
  await c.node(1).namespaces.call("create", { name, ...fields });
  return name;
}

/** A namespace whose history begins at its second put. @returns the revisions of the two */
export async function compactedNamespace(
  c: TestCluster,
  name: string,
): Promise<{ namespace: string; first: bigint; second: bigint }> {
  const namespace = await ownNamespace(c, name);
  const put = async (): Promise<bigint> =>
    (await c.node(1).kv.call("put", { namespace, key: bytes("k") })).header?.revision ?? 0n;
  const [first, second] = [await put(), await put()];
  await c.node(1).kv.call("compact", { namespace, revision: second });
  return { namespace, first, second };
}
