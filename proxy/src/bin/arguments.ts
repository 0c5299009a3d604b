import { Fault } from '@ostler/contract/fault.ts'
import { parseArgs } from 'node:util'
import { DEFAULT_NODE_CONF } from '../wiring/node-config.ts'

/**
 * Reads the command line of a service: `--config FILE`, `--help`, and perhaps one command.
 * @returns `undefined` when the help was printed instead.
 * @throws Fault `client.choice` for anything else.
 */
export function parseArguments<C extends string>(
  usage: string,
  commands: readonly C[] = [],
): { config: string; command: C | undefined } | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: {
        config: { type: 'string', short: 'f', default: DEFAULT_NODE_CONF },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: commands.length > 0,
    })
    if (values.help === true) {
      console.log(usage)
      return undefined
    }
    const command = commands.find((known) => known === positionals[0])
    if (positionals.length > (command === undefined ? 0 : 1))
      throw new TypeError(`unknown command ${positionals.join(' ')}`)
    return { config: values.config, command }
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new Fault(
      'client.choice',
      { problem, choices: ['--config FILE', '--help', ...commands].join(', ') },
      { cause },
    )
  }
}
