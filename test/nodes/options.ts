import { parseArgs } from 'node:util'
import { type ClockName, CLOCKS } from './clocks.ts'
import { FAULT_NAMES, type FaultName } from './plan.ts'

/** What a run over several nodes is asked to do. */
export interface NodesOptions {
  readonly rounds: number
  readonly seed: number
  /** The first round that is played; those before it are skipped, and change nothing of those behind it. */
  readonly from: number
  readonly nodes: number
  readonly desktops: number
  readonly clock: ClockName
  readonly only: readonly FaultName[]
}

export const USAGE = `chaos:nodes: breaks several nodes of one installation at random, and looks whether any desktop had two writers.

usage: npm run chaos:nodes -- [--rounds N] [--seed S] [--from-round R] [--nodes N] [--desktops N]
                              [--clocks quick|real] [--faults NAME;NAME…]`

/** @throws TypeError with what is wrong. */
export function parseNodesOptions(argv: readonly string[]): NodesOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '16' },
      seed: { type: 'string', default: process.env['OSTLER_SEED'] ?? '1' },
      'from-round': { type: 'string', default: '1' },
      nodes: { type: 'string', default: '2' },
      desktops: { type: 'string', default: '4' },
      clocks: { type: 'string', default: 'quick' },
      faults: { type: 'string', default: FAULT_NAMES.join(';') },
    },
  })
  const number = (name: string, text: string, least: number): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new TypeError(`--${name} takes a number from ${least}`)
    return Number(text)
  }
  const { clocks } = values
  if (!isClock(clocks)) throw new TypeError(`--clocks takes ${Object.keys(CLOCKS).join(' or ')}`)
  return {
    rounds: number('rounds', values.rounds, 1),
    seed: number('seed', values.seed, 0),
    from: number('from-round', values['from-round'], 1),
    nodes: number('nodes', values.nodes, 2),
    desktops: number('desktops', values.desktops, 3),
    clock: clocks,
    only: values.faults.split(';').map((word) => faultOf(word.trim())),
  }
}

/** The command that plays one round again. */
export function commandFor(options: NodesOptions, round: number): string {
  const { seed, nodes, desktops, clock, only } = options
  const some = only.length === FAULT_NAMES.length ? '' : ` --faults '${only.join(';')}'`
  const same = `--nodes ${nodes} --desktops ${desktops} --clocks ${clock}${some}`
  return `npm run chaos:nodes -- --seed ${seed} --from-round ${round} --rounds 1 ${same}`
}

function isClock(word: string): word is ClockName {
  return word in CLOCKS
}

function faultOf(word: string): FaultName {
  const found = FAULT_NAMES.find((name) => name === word)
  if (found === undefined) throw new TypeError(`there is no fault ${word}: ${FAULT_NAMES.join('; ')}`)
  return found
}
