import { afterEach } from "@jest/globals";
import { Consistency, GetRequest, PutRequest, ScanRequest } from "@quorate/proto/kv";
import type { NodeContext } from "@quorate/services/rpc";
import { Serving } from "../forward/serving";
import type { FakeNode } from "./fake-node";

export const KV = "/quorate.kv.v1.KvService/";
export const none = Buffer.alloc(0);
export const reading = {
  namespace: "",
  consistency: Consistency.UNSPECIFIED,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
};
export const range = { start: none, end: none, prefix: none };

export const put = (changes: Partial<PutRequest> = {}): Uint8Array =>
  PutRequest.encode({
    namespace: "",
    key: Buffer.from("k"),
    value: Buffer.from("v"),
    leaseId: 0n,
    returnPrevious: false,
    ...changes,
  }).finish();
export const get = (changes: Partial<GetRequest> = {}): Uint8Array =>
  GetRequest.encode({ ...reading, key: Buffer.from("k"), ...changes }).finish();
export const scan = (changes: Partial<ScanRequest> = {}): Uint8Array =>
  ScanRequest.encode({
    ...reading,
    ...range,
    limit: 0n,
    cursor: none,
    reverse: false,
    keysOnly: false,
    ...changes,
  }).finish();

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

export async function serve(node: FakeNode, changes: Partial<NodeContext> = {}): Promise<Serving> {
  const serving = await Serving.open(node.service(changes), {
    messageBytesMax: 3 * 1024 * 1024,
    onEnd: (method, code) => node.counters.ended(method, code),
  });
  closing.push(
    () => serving.close(),
    () => node.channels.close(),
  );
  return serving;
}
