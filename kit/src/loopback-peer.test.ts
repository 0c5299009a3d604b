import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { loopbackPeer } from './loopback-peer.ts'

async function accepted(dial: (port: number) => Disposable): Promise<number | undefined> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  using _ = dial((server.address() as AddressInfo).port)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const uid = loopbackPeer(socket)
  socket.destroy()
  server.close()
  return uid
}

test('the user of the other end is known, whichever kind of socket she has', async () => {
  for (const host of ['127.0.0.1', '::ffff:127.0.0.1']) {
    const uid = await accepted((port) => {
      const socket = connect({ host, port })
      socket.on('error', () => {})
      return { [Symbol.dispose]: () => void socket.destroy() }
    })
    expect(uid).toBe(process.getuid?.())
  }
})

test.runIf(process.getuid?.() === 0)('another user is another one', async () => {
  const uid = await accepted((port) => {
    const child = spawn(
      'node',
      ['-e', `require('net').connect(${port}, '127.0.0.1').on('error', () => {})`],
      {
        uid: 65_534,
        gid: 65_534,
        stdio: 'ignore',
      },
    )
    return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
  })
  expect(uid).toBe(65_534)
})

test('a connection that is not there belongs to nobody', () => {
  expect(loopbackPeer({ localPort: 1, remotePort: 2 })).toBeUndefined()
})
