import { parseArgs } from 'node:util'

/** What a run of the chaos suite is asked to do. */
export interface ChaosOptions {
  readonly driver: 'simulated' | 'lxc'
  readonly rounds: number
  readonly seed: number
  /** The first round that is played; those before it are skipped, and change nothing of those behind it. */
  readonly from: number
  /** Seconds of the node's clocks in one of ours; 1 for real desktops. */
  readonly speed: number
  readonly desktops: number
}

export const USAGE = `chaos: breaks a whole node at random and looks whether it mends itself.

usage: npm run chaos -- [--rounds N] [--seed S] [--from-round R] [--driver simulated|lxc]
                        [--desktops N] [--speed N]`

/** @throws TypeError with what is wrong. */
export function parseChaosOptions(argv: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '40' },
      seed: { type: 'string', default: '1' },
      'from-round': { type: 'string', default: '1' },
      driver: { type: 'string', default: 'simulated' },
      desktops: { type: 'string' },
      speed: { type: 'string' },
    },
  })
  const { driver } = values
  if (driver !== 'simulated' && driver !== 'lxc') throw new TypeError(`there is no driver ${driver} here`)
  const number = (name: string, text: string, least: number): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new TypeError(`--${name} takes a number from ${least}`)
    return Number(text)
  }
  const isReal = driver === 'lxc'
  return {
    driver,
    rounds: number('rounds', values.rounds, 1),
    seed: number('seed', values.seed, 0),
    from: number('from-round', values['from-round'], 1),
    desktops: number('desktops', values.desktops ?? (isReal ? '3' : '12'), 2),
    speed: number('speed', values.speed ?? (isReal ? '1' : '5'), 1),
  }
}

/** The command that plays one round again. */
export function commandFor(options: ChaosOptions, round: number): string {
  const { driver, seed, desktops, speed } = options
  const same = `--driver ${driver} --desktops ${desktops} --speed ${speed}`
  return `npm run chaos -- --seed ${seed} --from-round ${round} --rounds 1 ${same}`
}
