import { selfSigned } from '@ostler/kit/certificate.ts'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, test } from 'vitest'
import { connectFarDisplay, type FarDisplay } from './far-display.ts'

const { key, certificate: cert } = await selfSigned(['127.0.0.1'], 2)

/** Calls somebody who never answers, and leaves as soon as she has come to him. */
async function leaveAfter(server: Server, come: 'connection' | 'secureConnection') {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const left = new AbortController()
  const far: FarDisplay = {
    tls: { host: '127.0.0.1', port: (server.address() as AddressInfo).port, rejectUnauthorized: false },
    protocol: 'test',
    request: Buffer.from('request'),
    takeAnswer: () => undefined,
    ms: 60_000,
    signal: left.signal,
  }
  const came = once(server, come)
  const result = connectFarDisplay(far)
  const refused = expect(result).rejects.toThrow('she has left')
  const [socket] = (await came) as [Socket]
  const closed = once(socket.on('error', () => {}).resume(), 'close')
  left.abort(new Error('she has left'))
  await refused
  await closed
  await expect(connectFarDisplay(far)).rejects.toThrow('she has left')
  server.close()
}

test('who leaves before the other end speaks TLS waits no longer, and leaves no connection', async () => {
  await leaveAfter(createServer(), 'connection')
})

test('who leaves before the answer waits no longer, and leaves no connection', async () => {
  await leaveAfter(createTlsServer({ key, cert, ALPNProtocols: ['test'] }), 'secureConnection')
})
