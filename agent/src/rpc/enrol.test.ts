import { enrolApi } from '@ostler/contract/agent-api.ts'
import { pskIdentity } from '@ostler/contract/identity.ts'
import { makeAuthority, signCertificate } from '@ostler/kit/certificate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { awaitTicket, enrol } from './enrol.ts'

const SECRET = 'ab'.repeat(32)

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Calls as hkd does, with the ticket's secret. */
async function call(port: number, method: string, path: string, body = ''): Promise<string> {
  const connection = connectTls({
    host: '127.0.0.1',
    port,
    pskCallback: () => ({ identity: pskIdentity(1, 2), psk: Buffer.from(SECRET, 'hex') }),
    checkServerIdentity: () => undefined,
  })
  const asked = request({ method, path, createConnection: () => connection })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return await text(response)
}

test('a peer that says nothing does not hold up who enrols, nor does a certificate for another key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-enrol-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'enrol.json'),
    JSON.stringify({ desktop: 1, epoch: 2, secret: SECRET, displayUid: 0 }),
  )
  const port = await freePort()
  const abort = new AbortController()
  const enrolled = enrol({ port }, folder, silentLog, abort.signal)
  const silent = connect(port, '127.0.0.1')
  onTestFinished(() => {
    silent.destroy()
  })
  const hungUp = once(silent, 'close')
  await once(silent, 'connect')
  const { publicKey } = enrolApi.key.parse(JSON.parse(await call(port, 'GET', enrolApi.keyPath)))
  const authority = await makeAuthority('Test', 1)
  const sign = async (key: Buffer) => ({
    certificate: await signCertificate(authority, {
      commonName: 'desktop',
      uri: 'test:1',
      publicKey: key,
      days: 1,
    }),
    authority: authority.certificate,
  })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  for (const certificate of [
    'no certificate',
    (await sign(other.export({ type: 'spki', format: 'der' }))).certificate,
  ]) {
    const wrong = JSON.stringify({ certificate, authority: authority.certificate })
    expect(await call(port, 'POST', enrolApi.certificatePath, wrong)).toContain('for another key')
  }
  const signed = await sign(Buffer.from(publicKey, 'base64'))
  await call(port, 'POST', enrolApi.certificatePath, JSON.stringify(signed))
  expect(await enrolled).toMatchObject(signed)
  await hungUp
})

test('a ticket that is late is told of once, and still awaited', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-enrol-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const late = Promise.withResolvers<undefined>()
  let told = 0
  const tell = (): void => {
    told++
    late.resolve(undefined)
  }
  const awaited = awaitTicket(folder, new AbortController().signal, { afterMs: 30, tell })
  await late.promise
  // What cannot be read is no ticket, and no end either.
  writeFileSync(join(folder, 'enrol.json'), '{"desktop":')
  const ticket = { desktop: 1, epoch: 2, secret: SECRET, displayUid: 0 }
  writeFileSync(join(folder, 'enrol.json'), JSON.stringify(ticket))
  expect(await awaited).toEqual(ticket)
  expect(told).toBe(1)
})
