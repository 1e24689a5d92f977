import { connect } from "node:net";
import { expect, test } from "@jest/globals";
import { RequestingConnection } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import { RawServer } from "./requesting-rig";

test("an attempt at several addresses of a name says why none of them was reached", async () => {
  const gone = new RawServer();
  await gone.listen();
  const { port } = gone;
  await gone.close();
  const addresses = ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 }));
  const socket = connect({
    host: "several",
    port,
    autoSelectFamily: true,
    lookup: (_name, _options, found) => found(null, addresses),
  });
  const closed: string[] = [];
  new RequestingConnection(
    socket,
    { writeAheadBytesMax: 1 },
    { ready: () => {}, closed: (why) => closed.push(why) },
  );
  await eventually("it is lost", () => closed.length > 0);
  expect(closed).toEqual([
    addresses.map(({ address }) => `connect ECONNREFUSED ${address}:${port}`).join(", "),
  ]);
});
