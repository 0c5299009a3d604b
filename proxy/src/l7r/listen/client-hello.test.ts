import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'
import { expect, test } from 'vitest'
import { readClientHello } from './client-hello.ts'

/** What Node's client says first. */
async function helloOf(tls: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, ...tls }).on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)('protocols are read, over %s', async (version) => {
  const versions = { minVersion: version, maxVersion: version }
  const hello = await helloOf({ ...versions, ALPNProtocols: ['ostler-hop', 'http/1.1'] })
  expect(readClientHello(hello)).toEqual({ protocols: ['ostler-hop', 'http/1.1'], ticketKeys: [] })
  expect(readClientHello(await helloOf(versions)).protocols).toEqual([])
})

test('a record that is cut off anywhere, or lies about any length, is read without harm', async () => {
  const hello = await helloOf({ ALPNProtocols: ['ostler-hop'] })
  for (let end = 0; end < hello.length; end++)
    expect(readClientHello(hello.subarray(0, end)).protocols).toEqual([])
  for (let at = 0; at < hello.length; at++)
    for (const value of [0, 1, 0x7f, 0xff]) {
      const bent = Buffer.from(hello)
      bent[at] = value
      expect(() => readClientHello(bent)).not.toThrow()
    }
})
