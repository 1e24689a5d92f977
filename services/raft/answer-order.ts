import type { MemberId } from "./entry";

/** In which order members answered the heartbeats that go to all at once: whom to ask where not all need be asked. */
export class AnswerOrder {
  private latest: MemberId[] = [];
  private before: readonly MemberId[] = [];

  /** All are being asked. */
  began(): void {
    this.before = this.members;
    this.latest = [];
  }

  answered(id: MemberId): void {
    if (!this.latest.includes(id)) this.latest.push(id);
  }

  /** It can be asked no more, for all that is known. */
  lost(id: MemberId): void {
    this.before = this.members.filter((other) => other !== id);
    this.latest = [];
  }

  /** The quickest first; without those that never answered. */
  get members(): readonly MemberId[] {
    return [...this.latest, ...this.before.filter((id) => !this.latest.includes(id))];
  }
}
