/** What one round of a scenario gave: by name, with the unit at the end of each name. */
export type Figures = Readonly<Record<string, number>>;

/** What the median of a figure should be. */
export interface Goal {
  readonly figure: string;
  readonly is: "below" | "at most" | "at least";
  readonly limit: number;
}

/** A goal, and whether it was reached. */
export interface Verdict extends Goal {
  readonly value: number;
  readonly isReached: boolean;
}

/** A figure that is not a number reaches nothing. */
export function judge(goal: Goal, value: number): Verdict {
  return { ...goal, value, isReached: isWithin(goal, value) };
}

function isWithin({ is, limit }: Goal, value: number): boolean {
  switch (is) {
    case "below":
      return value < limit;
    case "at most":
      return value <= limit;
    case "at least":
      return value >= limit;
  }
}
