/** The harness cannot do what was asked of it: the message says why, and what would help. */
export class TestClusterError extends Error {
  override readonly name: string = "TestClusterError";
}
