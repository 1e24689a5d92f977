import { describe, expect, test } from "@jest/globals";
import { gatewayConfig } from "@quorate/services/gateway";
import { faultLine } from "@quorate/services/settings";

const right = { listen: "127.0.0.1:7400", nodes: "127.0.0.1:7401,127.0.0.1:7402" };

function flags(given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
}

describe("the configuration of a gateway", () => {
  test("L8: what is not given has a default", () => {
    expect(gatewayConfig(flags(right), {})).toEqual({
      kind: "config",
      config: {
        listen: "127.0.0.1:7400",
        nodes: ["127.0.0.1:7401", "127.0.0.1:7402"],
        logLevel: "info",
        drainMs: 5000,
        tracing: false,
      },
    });
  });

  test.each([
    ["listen", "nowhere", "HOST:PORT"],
    ["nodes", "127.0.0.1:7401,0.0.0.0:7402", "wildcard"],
    ["nodes", ",", "is missing"],
    ["log-level", "loud", "none of debug, info"],
    ["drain-ms", "soon", "whole number"],
    ["tracing", "yes", "none of on, off"],
  ])("L8: a wrong %s, %j, is named", (setting, value, said) => {
    const outcome = gatewayConfig(flags({ ...right, [setting]: value }), {});
    expect(outcome).toEqual({ kind: "fault", setting, problem: expect.stringContaining(said) });
  });

  test("L8: all that is wrong is named at once, a line each", () => {
    const outcome = gatewayConfig(flags({ "log-level": "loud", "drain-ms": "soon" }), {});
    const said = faultLine("quorate-gateway", outcome as Extract<typeof outcome, { kind: "fault" }>);
    expect(said.split("\n").map((line) => line.split(": ").slice(0, 2))).toEqual(
      ["listen", "nodes", "log-level", "drain-ms"].map((setting) => ["quorate-gateway", setting]),
    );
  });
});
