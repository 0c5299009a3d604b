import { connectCycles, CUTS } from '../fixtures/connect-cycles.ts'
import { startWorld } from '../fixtures/world.ts'
import { openScreen } from '../fixtures/x-screen.ts'

/** The long form of test/flows/cycles.test.ts: `npm run cycles -- 200`. Ends with 1 when a cycle failed. */
const CYCLES = Number(process.argv[2] ?? 200)

await using world = await startWorld()
const screen = world.scope.own(await openScreen())
await world.addUser('ann')
let done = 0
const cycles = await connectCycles(world, screen, 'ann', CYCLES, ({ cut, firstBytesMs, failure }) => {
  done += 1
  if (failure !== undefined) console.log(`${done}: ${cut}: ${failure}`)
  else if (done % 10 === 0) console.log(`${done}: ${cut}: first bytes after ${firstBytesMs} ms`)
})
const failed = cycles.filter(({ failure }) => failure !== undefined)
for (const cut of CUTS) {
  // How a session was cut tells in the next connect.
  const times = cycles
    .filter((_, index) => cycles[index - 1]?.cut === cut)
    .map(({ firstBytesMs }) => firstBytesMs)
    .filter((ms) => !Number.isNaN(ms))
    .toSorted((a, b) => a - b)
  console.log(`after "${cut}": ${at(times, 0.5)} ms p50, ${at(times, 0.99)} ms p99, ${times.length} connects`)
}
const all = cycles
  .slice(1)
  .map(({ firstBytesMs }) => firstBytesMs)
  .filter((ms) => !Number.isNaN(ms))
  .toSorted((a, b) => a - b)
console.log(`all: ${at(all, 0.5)} ms p50, ${at(all, 0.99)} ms p99; ${failed.length} of ${CYCLES} failed`)
process.exitCode = failed.length === 0 ? 0 : 1

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
