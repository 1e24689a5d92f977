import { walk } from "./bash";
import type { CommandShape } from "./shape";

/** A completion function for zsh, whose words are counted from 1. */
export function zshScript(program: CommandShape): string {
  const { name } = program;
  const word = (number: string): string => `"\${words[${number} + 1]}"`;
  return `#compdef ${name}
# Completion of ${name} for zsh: source <(${name} completion zsh)
_${name}() {
${walk(program, { word, current: "CURRENT - 1" })}
  if [[ -n $found ]]; then
    compadd -- \${=found}
  else
    _files
  fi
}
if [[ $funcstack[1] == _${name} ]]; then
  # A file of $fpath, which is read when the first word is completed.
  _${name} "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
  compdef _${name} ${name}
fi
`;
}
