import { BenchCluster } from "./bench-cluster";
import { type Contender, FEW_KEYS, OPPONENT_TITLES, type OpponentName } from "./contender";
import type { EtcdCluster } from "./etcd-cluster";
import { builtEtcdGoDriver, etcdGoProblem } from "./etcd-go-program";
import { etcdVersion } from "./etcd-program";
import { KeySpace } from "./key-space";
import type { Seat } from "./measure";
import type { BenchOptions } from "./options";
import { QuorateContender } from "./quorate-contender";
import { whileRunning } from "./running";

type Options = Pick<BenchOptions, "against" | "profile" | "keys" | "valueBytes">;

/** What is done while opponents run. */
type Body<Result> = (seats: readonly Seat[]) => Promise<Result>;

const PROBLEMS = {
  etcd: etcdProblem,
  "etcd-go": () => etcdProblem() ?? etcdGoProblem(),
  "few-keys": () => null,
} as const satisfies Record<OpponentName, () => string | null>;

/** What keeps an opponent from running here, in a sentence; null for nothing. */
export function opponentProblem(name: OpponentName): string | null {
  return PROBLEMS[name]();
}

/** What was asked for to compare with runs as long as the body does. */
export function withOpponents<Result>(
  options: Options,
  say: (text: string) => void,
  body: Body<Result>,
): Promise<Result> {
  for (const name of options.against) say(`against  ${OPPONENT_TITLES[name]}, ${detailOf(name)}`);
  if (options.against.length > 0) say("");
  return withEtcd(options, (etcd) => withFewKeys(options, (few) => body([...etcd, ...few])));
}

/** One cluster, however many clients call it, and so one set of keys. */
async function withEtcd<Result>({ against, keys, valueBytes }: Options, body: Body<Result>): Promise<Result> {
  const clients = against.filter((name) => name === "etcd" || name === "etcd-go");
  if (clients.length === 0) return body([]);
  // npm etcd3 is not loaded where nobody needs it: it would be part of the load generator.
  const { EtcdCluster } = await import("./etcd-cluster.js");
  const contenders = await Promise.all(clients.map((name) => etcdContender(name)));
  const space = new KeySpace({ keys, valueBytes });
  return whileRunning(await EtcdCluster.start(), (cluster) =>
    body(contenders.map((contenderOf) => ({ contender: contenderOf(cluster), space }))),
  );
}

async function etcdContender(name: "etcd" | "etcd-go"): Promise<(cluster: EtcdCluster) => Contender> {
  const { EtcdContender, EtcdGoContender } = await import("./etcd-contender.js");
  if (name === "etcd") return (cluster) => new EtcdContender(cluster);
  const program = await builtEtcdGoDriver();
  return (cluster) => new EtcdGoContender(cluster, program);
}

async function withFewKeys<Result>(
  { against, profile, valueBytes }: Options,
  body: Body<Result>,
): Promise<Result> {
  if (!against.includes("few-keys")) return body([]);
  return whileRunning(await BenchCluster.start(profile), (cluster) => {
    const space = new KeySpace({ keys: FEW_KEYS, valueBytes });
    return body([{ contender: new QuorateContender(cluster, "few-keys"), space }]);
  });
}

function detailOf(name: OpponentName): string {
  return name === "few-keys"
    ? "three more nodes on the same disk"
    : `${etcdVersion()}, three members on the same disk`;
}

function etcdProblem(): string | null {
  return etcdVersion() === null
    ? "no etcd is installed here (there is no program of that name on the PATH)"
    : null;
}
