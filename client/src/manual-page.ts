import type { Command, Option } from 'commander'
import { CONFIG_VARIABLE, VARIABLES } from './config/environment.ts'
import { CLIENT_VERSION, RELEASED } from './version.ts'

/** The manual page `ostler(1)` in the language of man(7), printed from what the commands declare. */
export function manualPage(program: Command): string {
  const name = program.name()
  const lines = [
    `.TH ${name.toUpperCase()} 1 "${RELEASED}" "Ostler ${CLIENT_VERSION}" "User Commands"`,
    '.SH NAME',
    `${name} \\- use your desktops on an Ostler or QVD server`,
    '.SH SYNOPSIS',
    ...program.commands.flatMap((command, index) => [
      ...(index === 0 ? [] : ['.br']),
      `.B ${name} ${command.name()}`,
      roman(command.usage()),
    ]),
    '.SH COMMANDS',
    ...program.commands.flatMap(sectionOf),
    '.SH CONFIGURATION',
    roman(
      'Keys are read from these files, where a later one wins; then from the environment and the command line.',
    ),
    ...[
      '/etc/qvd/client.conf',
      '/etc/ostler/client.conf',
      '~/.qvd/client.conf',
      '~/.config/ostler/client.conf',
    ].flatMap((file) => ['.TP', `.I ${roman(file)}`]),
    '.PP',
    roman('What a file below /etc says by client.force.host.name and client.force.link stays so.'),
    '.SH ENVIRONMENT',
    ...Object.entries(VARIABLES).flatMap(([variable, { key, summary }]) => [
      '.TP',
      `.B ${variable}`,
      roman(`${summary} (${key})`),
    ]),
    '.TP',
    `.B ${CONFIG_VARIABLE}`,
    roman("a file that is read instead of the user's own"),
    '.SH EXIT STATUS',
    ...EXIT.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, roman(meaning)]),
  ]
  return lines.join('\n')
}

/** Those of sysexits.h that a user may meet. */
const EXIT = [
  ['0', 'all went well, or the session ended because you logged out'],
  ['1', 'ostler doctor has found something'],
  ['64', 'the command line cannot be followed'],
  ['69', 'something is not there: the server, the screen, a program'],
  ['75', 'it failed, and may succeed later'],
  ['76', 'the certificate of the server is not trusted'],
  ['77', 'that is not allowed, or the password is wrong'],
  ['78', 'the configuration is wrong'],
  ['130', 'you ended it before it was done'],
] as const

function sectionOf(command: Command): string[] {
  const help = command.createHelp()
  return [
    `.SS ${roman(command.name())}`,
    roman(`${command.description()}.`),
    ...command.registeredArguments.flatMap((given) => [
      '.TP',
      `.I ${roman(given.name())}`,
      roman(given.description),
    ]),
    ...help.visibleOptions(command).flatMap((option) => ['.TP', flagsOf(option), roman(meaning(option))]),
  ]
}

function flagsOf({ flags }: Option): string {
  return `.B ${roman(flags)}`
}

function meaning({ description, argChoices }: Option): string {
  return argChoices === undefined ? description : `${description}: ${argChoices.join(', ')}`
}

/** A text in which nothing is a request or an escape of roff. */
function roman(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('…', '...')
    .replace(/^([.'])/, '\\&$1')
}
