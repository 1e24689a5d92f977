import { type Argument, type Directive, type Position, ScriptError } from "./script";

/** Checked access to the arguments of one directive: whatever is wrong is a ScriptError that names the argument. */
export class Arguments {
  readonly #directive: Directive;
  readonly #file: string;

  constructor(file: string, directive: Directive) {
    this.#file = file;
    this.#directive = directive;
  }

  get position(): Position {
    return { file: this.#file, line: this.#directive.line };
  }

  /** The lines below the directive, up to ----. */
  get input(): string {
    return this.#directive.input;
  }

  fail(what: string): never {
    throw new ScriptError(this.#file, this.#directive.line, `${this.#directive.name}: ${what}`);
  }

  /** All arguments in the order given, with the name that errors call them by. */
  all(): readonly Argument[] {
    return this.#directive.arguments;
  }

  /** The bare words, in order. */
  words(): readonly string[] {
    return this.#directive.arguments.filter(({ values }) => values.length === 0).map(({ key }) => key);
  }

  /** The bare words as numbers. */
  integers(): readonly number[] {
    return this.words().map((word) => this.toInteger(word, word));
  }

  /** Exactly `names.length` bare numbers, called `names` in errors. */
  exactIntegers(...names: readonly string[]): readonly number[] {
    const found = this.integers();
    if (found.length !== names.length) {
      this.fail(`takes ${names.map((name) => `<${name}>`).join(" ")}, got "${this.words().join(" ")}"`);
    }
    return found;
  }

  /** Refuses every `key=value` whose key is not among `keys`. */
  allowOnly(...keys: readonly string[]): void {
    for (const { key, values } of this.#directive.arguments) {
      if (values.length > 0 && !keys.includes(key)) {
        const known = keys.length === 0 ? "it takes none of this form" : `it takes ${keys.join(", ")}`;
        this.fail(`unknown argument ${key}: ${known}`);
      }
    }
  }

  /** All values of `key`, also when it is given more than once. */
  texts(key: string): readonly string[] {
    return this.#directive.arguments
      .filter((argument) => argument.key === key)
      .flatMap(({ values }) => values);
  }

  numbers(key: string): readonly number[] {
    return this.texts(key).map((value) => this.toInteger(key, value));
  }

  text(key: string): string | undefined {
    return this.texts(key).at(-1);
  }

  number(key: string): number | undefined {
    return this.numbers(key).at(-1);
  }

  requiredNumber(key: string): number {
    return this.number(key) ?? this.fail(`needs the argument ${key}=`);
  }

  flag(key: string): boolean {
    const value = this.text(key) ?? "false";
    if (value !== "true" && value !== "false") this.fail(`argument ${key} is true or false, not "${value}"`);
    return value === "true";
  }

  toInteger(key: string, value: string): number {
    if (!/^\d+$/.test(value)) this.fail(`argument ${key}: "${value}" is not a whole number`);
    const parsed = Number(value);
    if (!Number.isSafeInteger(parsed)) this.fail(`argument ${key}: ${value} is too large`);
    return parsed;
  }
}
