import type { Member, StatusResponse } from "@quorate/proto/cluster";
import type { LeaderDirectory } from "#forward";

/**
 * Who the members are and where each is reached, put together from what nodes answer. The addresses that a gateway was
 * given are asked for ever, whoever is found there; all others come and go with the members. Where a given address and
 * what the cluster says differ, the given one goes first as long as that member answers there: it is known to be
 * reachable from here.
 */
export class ClusterView {
  private readonly given: readonly string[];
  private readonly directory: LeaderDirectory;
  /** Who answered last at each given address. */
  private readonly answering = new Map<string, string>();
  private members: readonly Member[] = [];
  private clusterId = "";
  /** The list of members is at least as new as this applied index. */
  private appliedIndex = -1n;

  /** @param given host:port of nodes; at least one */
  constructor(given: readonly string[], directory: LeaderDirectory) {
    this.given = given;
    this.directory = directory;
  }

  /** All addresses that are to be asked: those given, and those of members that answer at none of them. */
  get addresses(): readonly string[] {
    return [...new Set([...this.given, ...this.directory.members.values()])];
  }

  /** Where what any node may answer is sent: voters, since a learner may be far behind; those given while none is known. */
  get readers(): readonly string[] {
    const addresses = this.members
      .filter(({ voter }) => voter)
      .flatMap(({ memberId }) => this.directory.address(memberId) ?? []);
    return addresses.length === 0 ? this.given : addresses;
  }

  /** A node said who it is, and then who the members are as far as it knows. */
  answered(address: string, status: StatusResponse, members: readonly Member[]): void {
    if (this.given.includes(address)) this.answering.set(address, status.memberId);
    // One that lags behind, or was removed, knows of members as they were.
    if (status.clusterId === this.clusterId && status.appliedIndex < this.appliedIndex) {
      this.refresh();
      return;
    }
    // Terms of another cluster, such as one that was restored, say nothing of this one's.
    if (status.clusterId !== this.clusterId) this.directory.replaceLeader(null, 0);
    this.clusterId = status.clusterId;
    this.appliedIndex = status.appliedIndex;
    this.members = members;
    this.refresh();
  }

  /** Nobody answered there. */
  silent(address: string): void {
    if (this.answering.delete(address)) this.refresh();
  }

  private refresh(): void {
    const reached = new Map<string, string>();
    for (const address of this.given) {
      const memberId = this.answering.get(address);
      if (memberId !== undefined && !reached.has(memberId)) reached.set(memberId, address);
    }
    const listed = this.members.map(
      ({ memberId, clientAddress }) => [memberId, reached.get(memberId) ?? clientAddress] as const,
    );
    // As long as nobody has told of members, those that answer are some.
    this.directory.setAddresses(listed.length === 0 ? reached : listed);
  }
}
