import { type CommandShape, type OptionShape, pathsOf } from "./shape";

/** Completions for fish, each with its description. */
export function fishScript(program: CommandShape): string {
  const { name } = program;
  const lines = pathsOf(program).flatMap(({ path, shape }) => {
    const [, ...words] = path;
    const condition = `-n "__${name}_at ${words.join(" ")}"`;
    return [
      ...shape.commands.map(
        (below) => `complete -c ${name} -f ${condition} -a ${below.name} -d ${quoted(below.description)}`,
      ),
      ...(shape.choices.length === 0
        ? []
        : [`complete -c ${name} -f ${condition} -a ${quoted(shape.choices.join(" "))}`]),
      ...shape.options.map((option) =>
        [`complete -c ${name}`, ...(shape === program ? [] : [condition]), optionText(option)].join(" "),
      ),
    ];
  });
  return `# Completion of ${name} for fish: ${name} completion fish | source
function __${name}_at
    set -l typed (commandline -opc)[2..-1]
    set -l words
    for word in $typed
        string match -q -- '-*' $word; or set -a words $word
    end
    test "$words[1..$(count $argv)]" = "$argv"; or return 1
    # Only the program itself must not be followed by any command.
    test (count $argv) -gt 0; or test (count $words) -eq 0
end
${lines.join("\n")}
`;
}

function optionText({ flags, description, takesValue, choices }: OptionShape): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = choices.length > 0 ? [`-x -a ${quoted(choices.join(" "))}`] : takesValue ? ["-r"] : [];
  return [...names, ...value, `-d ${quoted(description)}`].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
