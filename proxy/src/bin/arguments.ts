import { Fault } from '@ostler/contract/fault.ts'
import { parseArgs } from 'node:util'
import { DEFAULT_NODE_CONF } from '../wiring/node-config.ts'

/** What may follow a command. */
export interface CommandForm {
  /** How many words must. */
  readonly words: number
  /** Options without a value. */
  readonly flags: readonly string[]
}

interface Arguments<C> {
  readonly config: string
  readonly command: C | undefined
  readonly words: readonly string[]
  readonly flags: ReadonlySet<string>
}

/**
 * Reads the command line of a service: `--config FILE`, `--help`, and perhaps one command.
 * @returns `undefined` when the help was printed instead.
 * @throws Fault `client.choice` for anything else.
 */
export function parseArguments<C extends string>(
  usage: string,
  commands: readonly C[] = [],
  forms: Partial<Record<C, CommandForm>> = {},
): Arguments<C> | undefined {
  const known = Object.values<CommandForm | undefined>(forms).flatMap((form) => form?.flags ?? [])
  try {
    const { values, positionals } = parseArgs({
      options: {
        config: { type: 'string', short: 'f', default: DEFAULT_NODE_CONF },
        help: { type: 'boolean', short: 'h' },
        ...Object.fromEntries(known.map((flag) => [flag, { type: 'boolean' as const }])),
      },
      allowPositionals: commands.length > 0,
    })
    if (values.help === true) {
      console.log(usage)
      return undefined
    }
    const command = commands.find((candidate) => candidate === positionals[0])
    const form = command === undefined ? undefined : forms[command]
    const words = positionals.slice(command === undefined ? 0 : 1)
    if (command === undefined && words.length > 0)
      throw new TypeError(`unknown command ${positionals.join(' ')}`)
    if (words.length !== (form?.words ?? 0))
      throw new TypeError(`${command ?? ''} takes ${form?.words ?? 0} words, not "${words.join(' ')}"`)
    const given: Readonly<Record<string, unknown>> = values
    const flags = new Set(known.filter((flag) => given[flag] === true))
    const strange = [...flags].find((flag) => !(form?.flags ?? []).includes(flag))
    if (strange !== undefined) throw new TypeError(`--${strange} does not belong here`)
    return { config: values.config, command, words, flags }
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new Fault(
      'client.choice',
      { problem, choices: ['--config FILE', '--help', ...commands].join(', ') },
      { cause },
    )
  }
}
