/** The members that the state machines of these tests begin with. */
export const FOUNDERS = ["n1", "n2"].map((id) => ({
  id,
  clientAddress: `${id}:1`,
  peerAddress: `${id}:2`,
}));
