import { type CommandShape, type OptionShape, pathsOf } from "./shape";

/** Completions for fish, each with its description. */
export function fishScript(program: CommandShape): string {
  const { name } = program;
  const [, ...below] = pathsOf(program);
  const lines = pathsOf(program).flatMap(({ path, shape }) => {
    const [, ...words] = path;
    const condition = `-n ${quoted([`__${name}_at`, ...words].join(" "))}`;
    return [
      ...shape.commands.map(
        (command) =>
          `complete -c ${name} -f ${condition} -a ${command.name} -d ${quoted(command.description)}`,
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
function __${name}_path
    set -l typed (commandline -opc)
    set -e typed[1]
    set -l at ${name}
    set -l isValue no
    for word in $typed
        if test $isValue = yes
            set isValue no
        else if contains -- "$at $word" ${below.map(({ path }) => quoted(path.join(" "))).join(" ")}
            set at "$at $word"
        else if contains -- "$word" ${valued(program).join(" ")}
            set isValue yes
        else if contains -- "$at $word" ${below.flatMap(({ path, shape }) => valued(shape).map((flag) => quoted([...path, flag].join(" ")))).join(" ")}
            set isValue yes
        end
    end
    echo $at
end
function __${name}_at
    test (__${name}_path) = (string join ' ' ${name} $argv)
end
${lines.join("\n")}
`;
}

/** The flags behind which a value follows. */
function valued({ options }: CommandShape): readonly string[] {
  return options.filter(({ takesValue }) => takesValue).flatMap(({ flags }) => flags);
}

function optionText({ flags, description, takesValue, choices }: OptionShape): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = choices.length > 0 ? [`-x -a ${quoted(choices.join(" "))}`] : takesValue ? ["-r"] : [];
  return [...names, ...value, `-d ${quoted(description)}`].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
