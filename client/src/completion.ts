import type { Argument, Command, Option } from 'commander'

/** What of a command can be completed. */
interface Words {
  readonly command: string
  readonly options: readonly Option[]
  readonly arguments: readonly Argument[]
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    command: command.name(),
    options: command.createHelp().visibleOptions(command),
    arguments: command.registeredArguments,
  }))
}

/** A file or program is completed as a path; a choice by its words; everything else by nothing. */
function kindOf(option: Option): 'flag' | 'path' | 'choice' | 'word' {
  if (!option.required && !option.optional) return 'flag'
  if (option.argChoices !== undefined) return 'choice'
  return /<(path|program)>/.test(option.flags) ? 'path' : 'word'
}

function names({ short, long }: Option): string[] {
  return [short, long].filter((name) => name !== undefined)
}

/** A script for bash, printed from what the commands declare. */
export function bashCompletion(program: Command): string {
  const name = program.name()
  const known = wordsOf(program)
  const options = known
    .map(({ command, options }) => `    ${command}) words='${options.flatMap(names).join(' ')}' ;;`)
    .join('\n')
  const choices = known.flatMap(({ command, arguments: given }) =>
    given.flatMap(({ argChoices }) =>
      argChoices === undefined ? [] : [`    ${command}) words="$words ${argChoices.join(' ')}" ;;`],
    ),
  )
  const all = [
    ...new Map(known.flatMap((each) => each.options).map((option) => [option.flags, option])).values(),
  ]
  const values = all.flatMap((option) => {
    const pattern = names(option).join('|')
    switch (kindOf(option)) {
      case 'flag':
        return []
      case 'choice':
        return [
          `    ${pattern}) mapfile -t COMPREPLY < <(compgen -W '${option.argChoices?.join(' ') ?? ''}' -- "$word"); return ;;`,
        ]
      case 'path':
        return [`    ${pattern}) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;`]
      case 'word':
        return [`    ${pattern}) return ;;`]
    }
  })
  return `# bash completion of ${name}: ${name} completion bash > /etc/bash_completion.d/${name}
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '${known.map(({ command }) => command).join(' ')} --help --version' -- "$word")
    return
  fi
  case $before in
${values.join('\n')}
  esac
  case \${COMP_WORDS[1]} in
${options}
  esac
  case \${COMP_WORDS[1]} in
${choices.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _${name} ${name}`
}

/** The same for zsh, with a word about each. */
export function zshCompletion(program: Command): string {
  const name = program.name()
  const known = wordsOf(program)
  const functions = known.map(({ command, options, arguments: given }) => {
    const specs = [
      ...options.flatMap(zshOption),
      ...given.map(
        ({ description, argChoices }, index) =>
          `${index + 1}:${plain(description)}:${argChoices === undefined ? '' : `(${argChoices.join(' ')})`}`,
      ),
    ]
    return `    ${command}) _arguments -s ${specs.map((spec) => `'${spec}'`).join(' ')} ;;`
  })
  const commands = program.commands.map(
    (command) => `    '${command.name()}:${plain(command.description())}'`,
  )
  return `#compdef ${name}
# zsh completion of ${name}: ${name} completion zsh > /usr/local/share/zsh/site-functions/_${name}
_${name}() {
  local -a commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${functions.join('\n')}
  esac
}
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi`
}

function zshOption(option: Option): string[] {
  const kind = kindOf(option)
  const value =
    kind === 'flag'
      ? ''
      : `:${option.name()}:${kind === 'choice' ? `(${option.argChoices?.join(' ') ?? ''})` : kind === 'path' ? '_files' : ''}`
  return names(option).map((each) => `${each}[${plain(option.description)}]${value}`)
}

/** A text within the quotes and brackets of zsh's specifications. */
function plain(text: string): string {
  return text.replace(/[[\]:]/g, ' ').replaceAll("'", "'\\''")
}
