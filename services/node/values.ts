/** Caught where the config is read, and turned into the one line that the program ends with. */
export class WrongSetting extends Error {
  readonly setting: string;
  readonly problem: string;

  constructor(setting: string, problem: string) {
    super(`${setting}: ${problem}`);
    this.setting = setting;
    this.problem = problem;
  }
}

/** Several settings that are wrong, at least one. */
export class WrongSettings extends Error {
  readonly faults: readonly WrongSetting[];

  constructor(faults: readonly WrongSetting[]) {
    super(faults.map(({ message }) => message).join("; "));
    this.faults = faults;
  }
}

/** Reads all of these, in order. @throws WrongSettings with everything that is wrong in any of them */
export function readAll<T extends object>(reads: { readonly [Name in keyof T]: () => T[Name] }): T {
  const read: Partial<T> = {};
  const faults: WrongSetting[] = [];
  for (const name of Object.keys(reads) as (keyof T)[]) {
    try {
      read[name] = reads[name]();
    } catch (error) {
      if (error instanceof WrongSetting) faults.push(error);
      else if (error instanceof WrongSettings) faults.push(...error.faults);
      else throw error;
    }
  }
  if (faults.length > 0) throw new WrongSettings(faults);
  return read as T;
}

/** Settings as text, and what is asked of them. What is wrong is thrown as WrongSetting. */
export class Values<Name extends string> {
  private readonly values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values;
  }

  text(name: Name): string | undefined {
    return this.values.get(name);
  }

  /** Given, and not empty; null where it is not given. */
  filled(name: Name, rule: string): string | null {
    const value = this.values.get(name);
    if (value === undefined) return null;
    if (value === "") throw new WrongSetting(name, `must not be empty; ${rule}`);
    return value;
  }

  required(name: Name, rule: string): string {
    const value = this.filled(name, rule);
    if (value === null) throw new WrongSetting(name, `is missing; ${rule}`);
    return value;
  }

  choice<Choice extends string>(name: Name, choices: readonly Choice[], otherwise: Choice): Choice {
    const value = this.values.get(name) ?? otherwise;
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) throw new WrongSetting(name, `"${value}" must be one of ${choices.join(", ")}`);
    return chosen;
  }

  switch(name: Name): boolean {
    return this.choice(name, ["true", "false"], "false") === "true";
  }

  whole(
    name: Name,
    bounds: { readonly min: number; readonly max: number; readonly otherwise: number },
  ): number {
    const text = this.values.get(name);
    if (text === undefined) return bounds.otherwise;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < bounds.min || value > bounds.max) {
      throw new WrongSetting(name, `"${text}" must be a whole number from ${bounds.min} to ${bounds.max}`);
    }
    return value;
  }

  /** @param fault what is wrong with an address, in words, or null */
  address(name: Name, fault: (address: string) => string | null): string | null {
    const address = this.values.get(name);
    if (address === undefined) return null;
    const problem = fault(address);
    if (problem !== null) throw new WrongSetting(name, problem);
    return address;
  }
}
