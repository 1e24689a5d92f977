const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000001,
};

/** How long a call may take as the header grpc-timeout says it; null where it is none. */
export function timeoutMs(text: string): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * (MS_PER_UNIT[match[2] as string] as number);
}

/** The header takes so many digits. */
const DIGITS_MAX = 8;

/** How long a call may take as the header grpc-timeout says it: hardly longer, and never not at all. */
export function timeoutText(ms: number): string {
  for (const unit of ["m", "S", "M", "H"]) {
    const count = Math.max(1, Math.ceil(ms / (MS_PER_UNIT[unit] as number)));
    if (count < 10 ** DIGITS_MAX) return `${count}${unit}`;
  }
  return `${10 ** DIGITS_MAX - 1}H`;
}
