import { type Identity, selfSigned } from '@ostler/kit/certificate.ts'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server as TlsServer } from 'node:tls'
import { afterAll, expect, test } from 'vitest'
import { connectTrusted } from './trust.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-trust-'))
const servers: TlsServer[] = []
afterAll(() => {
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A TLS server on loopback that remembers what it was sent. */
async function serve(identity: Identity, port = 0) {
  const received: Buffer[] = []
  const server = createServer({ cert: identity.certificate, key: identity.key }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => received.push(chunk))
  })
  servers.push(server)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, received, server }
}

let files = 0
/** A user who answers as given, and remembers what she was asked. */
function user(answer: boolean) {
  const asked: string[] = []
  const confirm = async (_: unknown, fingerprint: string) => {
    asked.push(fingerprint)
    return answer
  }
  return { file: join(folder, String(++files), 'accepted'), confirm, asked }
}

const identity = await selfSigned(['127.0.0.1'], 30)
const { fingerprint256 } = new X509Certificate(identity.certificate)

test('an unknown certificate that is not confirmed is refused, and nothing is written or sent', async () => {
  const [server, ann] = [await serve(identity), user(false)]
  await expect(connectTrusted(server, ann)).rejects.toMatchObject({
    code: 'client.unconfirmed',
    detail: { host: '127.0.0.1', fingerprint: fingerprint256 },
  })
  expect(ann.asked).toEqual([fingerprint256])
  expect(existsSync(ann.file)).toBe(false)
  expect(server.received).toEqual([])
})

test('a confirmed certificate is written down and not asked about again', async () => {
  const [server, ann] = [await serve(identity), user(true)]
  for (let i = 0; i < 2; i++) (await connectTrusted(server, ann)).destroy()
  expect(ann.asked).toEqual([fingerprint256])
  expect(readFileSync(ann.file, 'utf8')).toBe(`127.0.0.1:${server.port} ${fingerprint256}\n`)
  expect(statSync(ann.file).mode & 0o777).toBe(0o600)
})

test('another certificate of a known server is refused without asking', async () => {
  const [server, ann] = [await serve(identity), user(true)]
  const socket = await connectTrusted(server, ann)
  socket.destroy()
  server.server.close()
  await once(server.server, 'close')
  const impostor = await serve(await selfSigned(['127.0.0.1'], 30), server.port)
  await expect(connectTrusted(impostor, ann)).rejects.toMatchObject({ code: 'client.untrusted' })
  expect(ann.asked).toHaveLength(1)
  expect(readFileSync(ann.file, 'utf8').trimEnd().split('\n')).toHaveLength(1)
  expect(impostor.received).toEqual([])
})

test('a certificate that is known for one port is unknown for another', async () => {
  const [first, second] = [await serve(identity), await serve(identity)]
  const ann = user(true)
  for (const server of [first, second]) (await connectTrusted(server, ann)).destroy()
  expect(ann.asked).toHaveLength(2)
})

test('what is sent after the check arrives', async () => {
  const server = await serve(identity)
  const socket = await connectTrusted(server, user(true))
  socket.end('hello')
  await once(socket.resume(), 'close')
  expect(Buffer.concat(server.received).toString()).toBe('hello')
})

test('a port at which nobody listens is unreachable', async () => {
  const { port, host, server } = await serve(identity)
  server.close()
  await once(server, 'close')
  await expect(connectTrusted({ host, port }, user(true))).rejects.toMatchObject({
    code: 'client.unreachable',
  })
})

test('an authority of the user vouches for a server, and then nobody is asked', async () => {
  const [server, ann] = [await serve(identity), user(false)]
  const trust = { ...ann, authorities: [identity.certificate] }
  ;(await connectTrusted(server, trust)).destroy()
  expect([ann.asked, existsSync(ann.file)]).toEqual([[], false])
})

test('where the configuration forbids to trust a certificate, nobody is asked either', async () => {
  const [server, ann] = [await serve(identity), user(true)]
  const barredBy = (problem: string) =>
    problem.includes('SELF_SIGNED') ? 'client.ssl.allow_untrusted' : undefined
  await expect(connectTrusted(server, { ...ann, barredBy })).rejects.toMatchObject({
    code: 'client.barred',
    detail: { key: 'client.ssl.allow_untrusted', problem: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  })
  expect(ann.asked).toEqual([])
})

test('a certificate of the user is shown to a server that asks for one', async () => {
  const mine = await selfSigned(['ann'], 30)
  const shown = Promise.withResolvers<string>()
  const server = createServer(
    { cert: identity.certificate, key: identity.key, requestCert: true, rejectUnauthorized: false },
    (socket) => {
      socket.on('error', () => {})
      shown.resolve(socket.getPeerCertificate().fingerprint256)
    },
  )
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  const own = { cert: mine.certificate, key: mine.key }
  const socket = await connectTrusted(at, { ...user(true), identity: own })
  expect(await shown.promise).toBe(new X509Certificate(mine.certificate).fingerprint256)
  socket.destroy()
})
