import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const CLIENT = "go.etcd.io/etcd/clientv3";

/** Where Debian's packages put the sources of Go libraries. */
const DEBIAN_GOPATH = "/usr/share/gocode";

/** Libraries come from GOPATH: nothing is fetched to build what is measured. */
const SURROUNDINGS = {
  ...process.env,
  GO111MODULE: "off",
  GOFLAGS: "",
  GOPATH: [process.env.GOPATH, DEBIAN_GOPATH].filter(Boolean).join(":"),
};

/** What keeps a program that uses etcd's own Go client from being built here, in one sentence; null for nothing. */
export function etcdGoProblem(): string | null {
  try {
    execFileSync("go", ["list", "-find", CLIENT], { env: SURROUNDINGS, stdio: "ignore" });
    return null;
  } catch (failure) {
    return (failure as NodeJS.ErrnoException).code === "ENOENT"
      ? "no Go is installed here (there is no program of that name on the PATH)"
      : `Go finds no ${CLIENT} here (Debian has it in the package golang-etcd-server-dev)`;
  }
}

/** Builds the driver, which takes half a minute where Go has none of it in its cache. @returns the path of the program */
export async function builtEtcdGoDriver(): Promise<string> {
  const tests = testsOf(__dirname);
  const program = join(tests, "dist/bench/drivers/etcd-go");
  // Go itself knows what has to be built again.
  await promisify(execFile)("go", ["build", "-o", program, "."], {
    cwd: join(tests, "bench/drivers/etcd-go"),
    env: SURROUNDINGS,
  });
  return program;
}

/** The folder of the tests, from what is compiled and from the sources. */
function testsOf(directory: string): string {
  return existsSync(join(directory, "tsconfig.json")) ? directory : testsOf(dirname(directory));
}
