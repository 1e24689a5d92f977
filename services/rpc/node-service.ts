import { ClusterServiceDefinition } from "@quorate/proto/cluster";
import {
  ErrorReason,
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import {
  type ByteCall,
  type ByteService,
  type ByteSink,
  type CallChannels,
  CallFailure,
  type EndingCall,
  forwardDuplex,
  forwardStream,
  methodPath,
  outgoingCall,
} from "#forward";
import { assert, unreachable } from "#std";
import { administrationMethods } from "./administration-methods";
import { backup } from "./backup";
import { clusterMethods } from "./cluster-methods";
import { Gets } from "./gets";
import { keepAlive } from "./keep-alive";
import { leaseMethods } from "./lease-methods";
import { membershipMethods } from "./membership-methods";
import type { DuplexMethod, StreamMethod, UnaryMethod } from "./method";
import { namespaceMethods } from "./namespace-methods";
import type { NodeContext } from "./node-context";
import {
  isReadExpired,
  isStateReplaced,
  isStoreFailure,
  notLeaderFailure,
  readExpired,
  stateReplaced,
  storeFailure,
  unknownMember,
} from "./outcome-failures";
import { readMethods } from "./read-methods";
import { tooLarge } from "./request-fields";
import { wellFormedRequestId } from "./request-id";
import { scan } from "./scan";
import { verificationMethods } from "./verification-methods";
import { watch } from "./watch";
import { directPut, writeMethods } from "./write-methods";

type KvMethod = keyof (typeof KvServiceDefinition)["methods"];
type LeaseMethod = keyof (typeof LeaseServiceDefinition)["methods"];
type NamespaceMethod = keyof (typeof NamespaceServiceDefinition)["methods"];
type ClusterMethod = keyof (typeof ClusterServiceDefinition)["methods"];

const kvMethods = { ...writeMethods, ...readMethods } as const satisfies Record<
  Exclude<KvMethod, "get" | "scan" | "pipeline">,
  UnaryMethod
>;

const GET_PATH = methodPath(KvServiceDefinition, "get");

const allClusterMethods = {
  ...clusterMethods,
  ...membershipMethods,
  ...administrationMethods,
  ...verificationMethods,
} as const satisfies Record<Exclude<ClusterMethod, "backup">, UnaryMethod>;

/** The handler of each unary method but Get, by path. */
const unaryMethods: ReadonlyMap<string, UnaryMethod> = new Map([
  ...Object.entries(kvMethods).map(
    ([name, method]) => [methodPath(KvServiceDefinition, name), method] as const,
  ),
  ...Object.entries(leaseMethods satisfies Record<Exclude<LeaseMethod, "keepAlive">, UnaryMethod>).map(
    ([name, method]) => [methodPath(LeaseServiceDefinition, name), method] as const,
  ),
  ...Object.entries(namespaceMethods satisfies Record<NamespaceMethod, UnaryMethod>).map(
    ([name, method]) => [methodPath(NamespaceServiceDefinition, name), method] as const,
  ),
  ...Object.entries(allClusterMethods).map(
    ([name, method]) => [methodPath(ClusterServiceDefinition, name), method] as const,
  ),
]);

/** The handler of each method whose requests are a stream, by path. */
const duplexMethods: ReadonlyMap<string, DuplexMethod> = new Map([
  [methodPath(WatchServiceDefinition, "watch"), watch],
  [methodPath(LeaseServiceDefinition, "keepAlive"), keepAlive],
]);

/** The handler of each method whose answer is a stream, by path. */
const streamMethods: ReadonlyMap<string, StreamMethod> = new Map([
  [methodPath(KvServiceDefinition, "scan"), scan],
  [methodPath(ClusterServiceDefinition, "backup"), backup],
]);

const PUT_PATH = methodPath(KvServiceDefinition, "put");

/** Where a call is to be served. */
type Place =
  | { readonly kind: "here" }
  | { readonly kind: "at"; readonly address: string }
  /** It belongs to the leader, and none is known. */
  | { readonly kind: "nowhere" };

const HERE: Place = { kind: "here" };
const NOWHERE: Place = { kind: "nowhere" };

/**
 * The public services of a node: each call is decoded and served here, or its bytes go to the member that can serve it.
 */
export class NodeService implements ByteService {
  private readonly node: NodeContext;
  private readonly channels: CallChannels;
  private readonly gets: Gets;

  constructor(node: NodeContext, channels: CallChannels) {
    this.node = node;
    this.channels = channels;
    this.gets = new Gets(node, this.tellAfter);
  }

  begin(call: EndingCall): void {
    const { path } = call.method;
    const isPut = path === PUT_PATH && this.leadsFor(call);
    if (!isPut && !(path === GET_PATH && this.isReadHere(call))) {
      tell(this.unary(call), call);
      return;
    }
    try {
      if (isPut) this.put(this.node, call);
      else this.gets.begin(call);
    } catch (error) {
      this.tellAfter(error, call);
    }
  }

  /** Whether place() says of a call that belongs to the leader that it is to be served here. */
  private leadsFor({ body }: ByteCall): boolean {
    const { directory, limits, memberId } = this.node;
    return directory.knownLeaderId === memberId && body.length <= limits.requestBytesMax;
  }

  /** Whether place() says so of a call that asks for what its member holds. */
  private isReadHere({ body, headers }: ByteCall): boolean {
    const { limits, memberId } = this.node;
    return (headers.member === "" || headers.member === memberId) && body.length <= limits.requestBytesMax;
  }

  private readonly tellAfter = (error: unknown, call: EndingCall): void =>
    tell(this.afterFailure(error, call), call);
  private readonly put = directPut(this.tellAfter);

  /** No async function, as little as those on the way of a put or a get, of which each takes more memory than the call. */
  unary(call: ByteCall): Promise<Uint8Array> {
    let place: Place;
    try {
      place = this.place(call);
    } catch (error) {
      return Promise.reject(error);
    }
    return place.kind === "here" ? this.unaryHere(call) : this.unaryElsewhere(place, call);
  }

  private async unaryElsewhere(found: Place, call: ByteCall): Promise<Uint8Array> {
    let place = found;
    if (place.kind === "nowhere" && this.mayWait(call)) {
      await this.node.leaderWait?.wait(call);
      place = this.place(call);
    }
    if (place.kind === "nowhere") throw notLeaderFailure(this.node);
    return place.kind === "at" ? this.forward(place.address, call) : this.unaryHere(call);
  }

  private unaryHere(call: ByteCall): Promise<Uint8Array> {
    try {
      return this.serve(call).catch((error: unknown) => this.afterFailure(error, call));
    } catch (error) {
      return this.afterFailure(error, call);
    }
  }

  private async afterFailure(error: unknown, call: ByteCall): Promise<Uint8Array> {
    const failure = failureOf(error);
    // Whatever it was refused for, it would be so again.
    if (failure.scope === "call") {
      this.node.writeOrder?.settled(wellFormedRequestId(call.headers.requestId));
    }
    // Leadership went elsewhere between the look at the directory and the proposal; nothing was applied.
    const wasDeposed = failure.reason === ErrorReason.NOT_LEADER && call.method.route === "leader";
    if (!wasDeposed || failure.leader === undefined || !this.mayForward(call)) throw failure;
    return this.forward(failure.leader.address, call);
  }

  private serve(call: ByteCall): Promise<Uint8Array> {
    const { path } = call.method;
    if (path === GET_PATH) return this.gets.serve(call);
    const method = unaryMethods.get(path);
    assert(method !== undefined, "every method of the public services has a handler");
    return method(this.node, call);
  }

  async stream(call: ByteCall, sink: ByteSink): Promise<void> {
    const place = this.place(call);
    if (place.kind === "nowhere") throw notLeaderFailure(this.node);
    if (place.kind === "at") {
      this.node.counters.noteForwarded();
      return forwardStream(this.channels.to(place.address), call, sink);
    }
    const method = streamMethods.get(call.method.path);
    assert(method !== undefined, "every method of the public services has a handler");
    try {
      await method(this.node, call, sink);
    } catch (error) {
      throw failureOf(error);
    }
  }

  async duplex(call: ByteCall, source: AsyncIterable<Buffer>, sink: ByteSink): Promise<void> {
    const place = this.place(call);
    if (place.kind === "nowhere") throw notLeaderFailure(this.node);
    if (place.kind === "at") {
      this.node.counters.noteForwarded();
      return forwardDuplex(this.channels.to(place.address), call, source, sink);
    }
    const method = duplexMethods.get(call.method.path);
    assert(method !== undefined, "every method of the public services has a handler");
    try {
      await method(this.node, call, this.withinLimit(source), sink);
    } catch (error) {
      throw failureOf(error);
    }
  }

  private async *withinLimit(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    for await (const message of source) {
      this.checkLength(message);
      yield message;
    }
  }

  private checkLength(request: Uint8Array): void {
    const { requestBytesMax } = this.node.limits;
    if (request.length <= requestBytesMax) return;
    throw tooLarge(`the request is ${request.length} bytes long, more than the limit of ${requestBytesMax}`);
  }

  /** Throws when the call can be served nowhere. */
  private place(call: ByteCall): Place {
    const { directory, memberId } = this.node;
    this.checkLength(call.body);
    switch (call.method.route) {
      case "leader": {
        if (directory.knownLeaderId === memberId) return HERE;
        const { leader } = directory;
        if (leader === null) return NOWHERE;
        if (!this.mayForward(call)) throw notLeaderFailure(this.node);
        return { kind: "at", address: leader.address };
      }
      case "read":
      case "member": {
        const { member } = call.headers;
        if (member === "" || member === memberId) return HERE;
        return { kind: "at", address: this.addressOf(member, call) };
      }
      default:
        return unreachable(call.method.route);
    }
  }

  private addressOf(member: string, call: ByteCall): string {
    const address = this.node.directory.address(member);
    if (address === null) throw unknownMember(this.node, member);
    // A call for another member that was forwarded here already found a wrong address: it must not circle.
    if (!this.mayForward(call)) {
      throw new CallFailure(
        ErrorReason.UNREACHABLE,
        `this is ${this.node.memberId}, and a call for ${member} is not forwarded from here`,
      );
    }
    return address;
  }

  /** Whoever wants no forwarding wants to be told where to go, be it nowhere. */
  private mayWait(call: ByteCall): boolean {
    return this.node.forwarding && call.headers.forward !== "off";
  }

  private mayForward(call: ByteCall): boolean {
    return this.node.forwarding && call.headers.hops === 0 && call.headers.forward !== "off";
  }

  private forward(address: string, call: ByteCall): Promise<Uint8Array> {
    this.node.counters.noteForwarded();
    call.isSubmitted = true;
    return this.channels.to(address).unary(outgoingCall(call), call);
  }
}

function tell(answer: Promise<Uint8Array>, call: EndingCall): void {
  answer.then(
    (body) => call.answered(body),
    (error: unknown) => call.failed(error),
  );
}

function failureOf(error: unknown): CallFailure {
  if (isStoreFailure(error)) return storeFailure(error);
  if (isReadExpired(error)) return readExpired();
  if (isStateReplaced(error)) return stateReplaced();
  return CallFailure.from(error);
}
