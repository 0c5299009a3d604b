import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { carryRdp, notHere } from './rdp-stream.ts'

const servers: Server[] = []
afterEach(() => servers.splice(0).forEach((server) => server.close()))

async function listening(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('the stream of the port is carried both ways, with what came before the answer', async () => {
  const rdp = await listening((socket) => void socket.pipe(socket))
  const door = await listening(
    (socket) => void carryRdp(rdp, 'ostler-display', socket, Buffer.from('early ')),
  )
  const client = connect(door, '127.0.0.1')
  let text = ''
  client.on('data', (bytes: Buffer) => (text += bytes.toString()))
  client.end('late')
  await once(client, 'close')
  const [head, body] = text.split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 101 .*Upgrade: ostler-display$/s)
  expect(body).toBe('early late')
})

test('where nothing listens, the caller is told before anything is answered', async () => {
  const gone = await listening(() => {})
  const [server] = servers.splice(0)
  server?.close()
  const refused = Promise.withResolvers<unknown>()
  const door = await listening((socket) => {
    carryRdp(gone, 'ostler-display', socket, Buffer.alloc(0)).then(refused.resolve, refused.reject)
    socket.destroy()
  })
  connect(door, '127.0.0.1').on('error', () => {})
  await expect(refused.promise).rejects.toMatchObject({ code: 'session.busy' })
})

test('other displays are refused by name', () => {
  expect(notHere('nx').message).toBe('this desktop cannot be shown by nx: Windows shows itself by RDP alone')
})
