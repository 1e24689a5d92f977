import { type CommandShape, type OptionShape, pathsOf } from "./shape";

/** A completion function for bash. */
export function bashScript(program: CommandShape): string {
  const { name } = program;
  const word = (number: string): string => `"\${COMP_WORDS[${number}]}"`;
  return `# Completion of ${name} for bash: source <(${name} completion bash)
_${name}() {
${walk(program, { word, current: "COMP_CWORD" })}
  if [[ -n $found ]]; then
    COMPREPLY=($(compgen -W "$found" -- ${word("COMP_CWORD")}))
  fi
}
complete -o default -F _${name} ${name}
`;
}

/** How a shell tells the words of the line, of which the program is number 0. */
export interface LineWords {
  /** The shell's text for a word. @param number a shell expression */
  word(number: string): string;
  /** The shell's text for the number of the word under the cursor. */
  readonly current: string;
}

/** What bash and zsh share: finds what could be under the cursor, in `found`; nothing where files may be meant. */
export function walk(program: CommandShape, { word, current }: LineWords): string {
  const [, ...below] = pathsOf(program);
  const paths = [{ path: [program.name], shape: program }, ...below];
  // The options of the program go with every command.
  const placed = [
    ...program.options.map((option) => ({ option, before: "*" })),
    ...below.flatMap(({ path, shape }) =>
      shape.options.map((option) => ({ option, before: quoted(path.join(" ")) })),
    ),
  ];
  const valued = placed.filter(({ option }) => option.takesValue);
  return `  local at="${program.name}" found="" flags="" i
  for ((i = 1; i < ${current}; i++)); do
    case "$at "${word("i")} in
      ${below.map(({ path }) => quoted(path.join(" "))).join("|")}) at="$at "${word("i")} ;;
      ${valued.map(patternOf).join("|")}) i=$((i + 1)) ;;
    esac
  done
  case "$at "${word(`${current} - 1`)} in
${valued
  .filter(({ option }) => option.choices.length > 0)
  .map((chosen) => `    ${patternOf(chosen)}) found="${chosen.option.choices.join(" ")}" ;;\n`)
  .join("")}    ${valued.map(patternOf).join("|")}) ;;
    *)
      case "$at" in
${paths.map(({ path, shape }) => `        ${quoted(path.join(" "))}) found="${wordsOf(shape)}" flags="${flagsOf(shape.options)}" ;;`).join("\n")}
      esac
      if [[ ${word(current)} == -* ]]; then found="$flags ${flagsOf(program.options)} --help"; fi
      ;;
  esac`;
}

function patternOf({ option, before }: { readonly option: OptionShape; readonly before: string }): string {
  return option.flags.map((flag) => `${before}" ${flag}"`).join("|");
}

function wordsOf({ commands, choices }: CommandShape): string {
  return [...commands.map(({ name }) => name), ...choices].join(" ");
}

function flagsOf(options: readonly OptionShape[]): string {
  return options.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith("--"))).join(" ");
}

function quoted(text: string): string {
  return `"${text}"`;
}
