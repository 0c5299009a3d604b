import { Scope } from '@ostler/kit/scope.ts'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { createWebSocketStream, WebSocket } from 'ws'
import { DoorRoom } from '../fixtures/door-room.ts'
import { greet, KINDS, PATIENCE_MS } from '../fixtures/seat-room.ts'
import { openViewer, passOf, type Viewer } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'
import { exchange, runBytes } from './gate/every-byte.ts'
import { Seeded } from './gate/seeded.ts'

/** What goes through a hop, and what stands before it. Each test has a room of its own, one at a time. */
let scope = new Scope()
afterEach(async () => {
  await scope.close()
  scope = new Scope()
})

test('every byte of native clients arrives as it was sent, under load, with readers that stall', async () => {
  const { bytes, stalls, seconds } = await runBytes(60_000_000, 10, 20261121, 'hop')
  console.info(`${bytes} bytes compared, ${stalls} stalls, ${seconds.toFixed(1)} s`)
  expect(stalls).toBeGreaterThan(0)
}, 600_000)

test('every byte of browsers, too', async () => {
  const room = scope.own(await DoorRoom.open())
  const far = await room.openNode('n2')
  await room.addUsers(['ann'], PASSWORD)
  const { cookie } = await passOf(far, 'ann')
  const each = 5_000_000
  const streams = Array.from({ length: 4 }, async (_, index) => {
    const atDisplay = Promise.withResolvers<number>()
    const { id } = await room.addDesktop('ann', `desktop${index}`, {
      display: (socket) => {
        exchange(socket, each, new Seeded(index)).then(atDisplay.resolve, atDisplay.reject)
      },
    })
    const url = `wss://127.0.0.1:${far.port}/portal/desktops/${id}/display`
    const webSocket = new WebSocket(url, 'binary', {
      rejectUnauthorized: false,
      headers: { Cookie: cookie, Origin: `https://127.0.0.1:${far.port}` },
    })
    const stream = createWebSocketStream(webSocket)
    // In RFB it is the display that begins.
    await once(stream, 'readable')
    const [stalls] = await Promise.all([exchange(stream, each, new Seeded(100 + index)), atDisplay.promise])
    stream.on('error', () => {}).destroy()
    return stalls
  })
  expect(Math.max(...(await Promise.all(streams)))).toBeGreaterThan(0)
}, 600_000)

test.each(['0', '1'])(
  'a door with l7r.use_ssl = %s behind a balancer, with few connections of an address, takes hops past both',
  async (ssl) => {
    const room = scope.own(
      await DoorRoom.open({
        'l7r.use_ssl': ssl,
        'l7r.proxy_protocol.from': '127.0.0.0/8',
        'l7r.limit.connections_per_address': '2',
      }),
    )
    const far = await room.openNode('n2', {
      'l7r.use_ssl': '1',
      'l7r.proxy_protocol.from': '',
      'l7r.limit.connections_per_address': '0',
    })
    await room.addUsers(['ann'], PASSWORD)
    const pass = await passOf(far, 'ann')
    const viewers: Viewer[] = []
    for (let index = 0; index < 6; index++) {
      const { id } = await room.addDesktop('ann', `desktop${index}`, { display: greet })
      viewers.push(openViewer(KINDS[index % 2] ?? 'nx', far, pass, id))
    }
    for (const viewer of viewers) {
      expect(await viewer.shown).toBeDefined()
      viewer.send('still there')
      await until('the display to answer', () => viewer.seen().includes('still there'), PATIENCE_MS)
    }
    await Promise.all(viewers.map((viewer) => viewer.leave()))
  },
)
