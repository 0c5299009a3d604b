import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { acceptsConnections } from './rdp-port.ts'

test('a port accepts connections as long as somebody listens', async () => {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  expect(await acceptsConnections(port, 10_000)).toBe(true)
  await new Promise((resolve) => server.close(resolve))
  expect(await acceptsConnections(port, 10_000)).toBe(false)
})
