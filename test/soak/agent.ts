import { startGuest } from '../fixtures/guest.ts'
import { cycleSessions, holdings } from '../fixtures/session-cycles.ts'
import { openScreen } from '../fixtures/x-screen.ts'

/** The long form of test/agent/leaks.test.ts: `npm run soak -- 1000`. Ends with 1 when something was leaked. */
const CYCLES = Number(process.argv[2] ?? 1_000)

await using guest = await startGuest()
await using screen = await openScreen()
await cycleSessions(guest, screen.display, 1)
const before = await holdings(guest)
console.log('cycle     1', before)
const began = performance.now()
for (let done = 0; done < CYCLES; done += 50) {
  await cycleSessions(guest, screen.display, Math.min(50, CYCLES - done))
  const minutes = ((performance.now() - began) / 60_000).toFixed(1)
  console.log(
    `cycle ${String(Math.min(done + 50, CYCLES) + 1).padStart(5)}`,
    await holdings(guest),
    `${minutes} min`,
  )
}
const after = await holdings(guest)
const leaked = (['descriptors', 'children', 'processes'] as const).filter(
  (what) => after[what] > before[what],
)
console.log(leaked.length === 0 ? 'nothing is leaked' : `leaked: ${leaked.join(', ')}`)
process.exitCode = leaked.length === 0 ? 0 : 1
