// One of the processes of `npm run simulate -- --jobs J`: runs the seeds that it is sent, one after another.
import { runSeed } from "./run";
import type { RunRequest } from "./workers";

process.on("message", (request: RunRequest) => {
  void runSeed(request).then((result) => process.send?.(result));
});

// Whoever asked has ended, or has no more seeds.
process.on("disconnect", () => process.exit());
