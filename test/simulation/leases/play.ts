import { parseArgs } from 'node:util'
import { brokenAt, type Mistake, NODES, STEPS } from './world.ts'

/**
 * Plays many random worlds of three nodes by the rules that nodes live by: `npm run chaos:leases`. Ends with 1 after the first one in
 * which a desktop ran on two nodes, and with the command that plays it again.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10000' },
    seed: { type: 'string', default: process.env['OSTLER_SEED'] ?? '1' },
    'from-round': { type: 'string', default: '1' },
    // What is done wrong on purpose, to see it found.
    mistake: { type: 'string' },
  },
})
const number = (name: 'rounds' | 'seed' | 'from-round'): number => {
  if (!/^\d{1,9}$/.test(values[name])) throw new TypeError(`--${name} takes a number`)
  return Number(values[name])
}
const [rounds, seed, from] = [number('rounds'), number('seed'), number('from-round')]
const mistake = values.mistake as Mistake | undefined
const began = performance.now()
let takeOvers = 0
let broken: number | undefined
for (let round = from; round < from + rounds && broken === undefined; round++) {
  const step = brokenAt(seedOf(round), mistake, (world) => (takeOvers += world.takeOvers))
  if (step === undefined) continue
  broken = round
  console.log(`WRONG: in round ${round} a desktop ran on two nodes at step ${step}`)
  console.log(`again: npm run chaos:leases -- --seed ${seed} --from-round ${round} --rounds 1`)
}
const seconds = ((performance.now() - began) / 1_000).toFixed(1)
console.log(
  `${rounds} rounds from round ${from} of seed ${seed}: ${NODES} nodes, ${STEPS} steps each, ${seconds} s`,
)
console.log(`take-overs: ${takeOvers}; on two nodes: ${broken === undefined ? 'never' : `round ${broken}`}`)
process.exitCode = broken === undefined ? 0 : 1

/** A world of its own for each round, whatever was played before. */
function seedOf(round: number): number {
  return Math.imul(seed, 1_000_003) + round
}
