import { setTimeout as sleep } from 'node:timers/promises'
import { startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'
import { openScreen } from '../fixtures/x-screen.ts'

/**
 * Resumes a session again and again and kills its client a moment later: what becomes of it? `npm run cuts -- ROUNDS FROM TO [EXTRA]`:
 * the moment lies between FROM and TO milliseconds after the client was started; EXTRA are options for nxagent, `xinerama=1`.
 */

const [rounds, from, to] = [
  Number(process.argv[2] ?? 100),
  Number(process.argv[3] ?? 20),
  Number(process.argv[4] ?? 900),
]
const PARAMETERS = {
  'qvd.vm.user.name': 'ann',
  'qvd.client.geometry': '800x600',
  'qvd.client.link': 'lan',
  'qvd.client.nxagent.extra_args': process.argv[5] ?? '',
}
/** Something always moves, and programs come and go. */
const BUSY = '#!/bin/sh\nwhile :; do xsetroot -solid red; xsetroot -solid blue; sleep 0.05; done\n'
const SETTLED_MS = 2_500

await using screen = await openScreen()
await using guest = await startGuest({
  config: ['command.x-session = /etc/busy'],
  files: { '/etc/busy': BUSY },
})
const client = guest.link?.client
if (client === undefined) throw new Error('the guest must be enrolled')

const ends = new Map<string, number>()
for (let round = 1; round <= rounds; round++) {
  if ((await guest.state()) === 'stopped') {
    const { client: first } = await guest.openSession(screen.display, PARAMETERS)
    await sleep(SETTLED_MS)
    first.kill('SIGKILL')
    await guest.untilState('suspended', 40_000)
  }
  await client.x_start({ display: 'nx', parameters: PARAMETERS })
  const viewer = guest.connectNx(screen.display)
  const ms = Math.round(from + Math.random() * (to - from))
  await sleep(ms)
  const was = await guest.state()
  viewer.kill('SIGKILL')
  let is: unknown
  await until(
    'it to settle',
    async () => ['suspended', 'stopped'].includes(String((is = await guest.state()))),
    60_000,
  )
  const end = `${String(was)}, then ${String(is)}`
  ends.set(end, (ends.get(end) ?? 0) + 1)
  if (is === 'stopped')
    console.log(`round ${round}, after ${ms} ms: the session has ended\n${guest.nxagentLog()}`)
}
for (const [end, count] of ends) console.log(`${String(count).padStart(5)}  ${end}`)
