import { ClusterServiceDefinition, type Member } from "@quorate/client/generated";
import { createServer, type Server, ServerError, type ServiceImplementation, Status } from "nice-grpc";

type ClusterService = ServiceImplementation<typeof ClusterServiceDefinition>;
type MethodName = keyof ClusterService;

/** How a node answers the calls of one method. */
export type FakeAnswer = (request: never, node: FakeNode) => unknown;

/** A node that serves ClusterService over real gRPC, with the answers that a test gives it. */
export class FakeNode {
  readonly memberId: string;
  address = "";
  /** The requests that came, by method. */
  readonly requests: { readonly method: MethodName; readonly request: unknown }[] = [];
  readonly #server: Server = createServer();

  constructor(memberId: string) {
    this.memberId = memberId;
  }

  async listen(answers: Readonly<Partial<Record<MethodName, FakeAnswer>>>): Promise<void> {
    const answer = async (method: MethodName, request: unknown): Promise<unknown> => {
      this.requests.push({ method, request });
      const known = answers[method];
      if (known === undefined) throw new ServerError(Status.UNIMPLEMENTED, `the fake has no ${method}`);
      return known(request as never, this);
    };
    const methods = Object.keys(ClusterServiceDefinition.methods) as MethodName[];
    const unary = methods.map((method) => [method, (request: unknown) => answer(method, request)]);
    const service = {
      ...Object.fromEntries(unary),
      async *backup(request: unknown) {
        for (const data of (await answer("backup", request)) as readonly Uint8Array[]) yield { data };
      },
    } as unknown as ClusterService;
    this.#server.add(ClusterServiceDefinition, service);
    this.address = `127.0.0.1:${await this.#server.listen("127.0.0.1:0")}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

/** Nodes n1, n2, … that know each other and whatever the answers say. */
export class FakeNodes {
  readonly nodes: readonly FakeNode[];

  private constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, at) => new FakeNode(`n${at + 1}`));
  }

  static async start(
    count: number,
    answers: Readonly<Partial<Record<MethodName, FakeAnswer>>>,
  ): Promise<FakeNodes> {
    const fakes = new FakeNodes(count);
    for (const node of fakes.nodes) {
      await node.listen({ listMembers: () => ({ members: fakes.members() }), ...answers });
    }
    return fakes;
  }

  get endpoints(): string {
    return this.nodes.map(({ address }) => address).join(",");
  }

  /** The members as the first node tells them, which leads. */
  members(): Member[] {
    return this.nodes.map(({ memberId, address }, at) => ({
      memberId,
      clientAddress: address,
      peerAddress: `127.0.0.1:${at + 1}`,
      storeId: `store-${at + 1}`,
      leader: at === 0,
      voter: true,
      priority: 100,
      promoteWhenCaughtUp: false,
      replaces: "",
    }));
  }

  /** All requests of one method, in the order of the nodes. */
  requests(method: MethodName): readonly unknown[] {
    return this.nodes.flatMap((node) =>
      node.requests.filter((seen) => seen.method === method).map(({ request }) => request),
    );
  }

  stop(): void {
    for (const node of this.nodes) node.stop();
  }
}
