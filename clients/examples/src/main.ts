import { connect } from "@quorate/client";
import { pageViewServer } from "./server";

const ADDRESS = "127.0.0.1:7600";

async function main(): Promise<void> {
  const quorate = connect(process.env.QUORATE_ENDPOINTS ?? "127.0.0.1:7400");
  const server = pageViewServer(quorate);
  await server.listen(ADDRESS);
  console.log(`counting page views at ${ADDRESS}; Ctrl-C stops it`);
  process.once("SIGINT", () => {
    void server.shutdown().then(() => quorate.close());
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
