// A process that runs mutated code, one hunt after another.
import { type Hunt, type HuntMessage, hunt } from "./hunt";

const tell = (message: HuntMessage): void => void process.send?.(message);

process.on("message", (request: Hunt) => {
  void hunt(request, () => tell({ kind: "ran" })).then((caught) => tell({ kind: "ended", caught }));
});

// Whoever asked has ended.
process.on("disconnect", () => process.exit());
