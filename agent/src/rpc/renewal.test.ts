import { Fault } from '@ostler/contract/fault.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { makeAuthority, signCertificate } from '@ostler/kit/certificate.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { beforeEach, expect, test } from 'vitest'
import type { EnrolledIdentity } from './enrol.ts'
import { Renewal } from './renewal.ts'

const authority = await makeAuthority('Ostler', 3650)

let said: unknown[]
let renewal: Renewal
let presented: EnrolledIdentity[]
beforeEach(() => {
  said = []
  const note = (...words: unknown[]): void => void said.push(words)
  const log: Log = { ...silentLog, debug: note, info: note, warn: note, error: note }
  renewal = new Renewal(log)
  presented = []
  renewal.present = (identity) => presented.push(identity)
})

/** What hkd does with the key: it has it signed. */
async function sign(publicKey: string) {
  const certificate = await signCertificate(authority, {
    commonName: 'desktop 7',
    uri: holderUri({ role: 'vma', desktop: 7, epoch: 3 }),
    publicKey: Buffer.from(publicKey, 'base64'),
    days: 30,
  })
  return { certificate, authority: authority.certificate }
}

function fits({ certificate, key }: EnrolledIdentity): boolean {
  return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
}

/** Calls that throw at once fail as promises do, for who calls them. */
async function faultOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
  throw new Error('it succeeded')
}

test('a certificate for the new key is presented with it', async () => {
  const { publicKey } = await renewal.calls.renew_key({})
  const signed = await sign(publicKey)
  expect(await renewal.calls.renew_certificate(signed)).toEqual({})
  expect(presented).toEqual([{ ...signed, key: expect.any(String) as string }])
  expect(presented.every(fits)).toBe(true)
})

test('every call makes a new key, and the last one counts', async () => {
  const first = await renewal.calls.renew_key({})
  const second = await renewal.calls.renew_key({})
  expect(first.publicKey).not.toBe(second.publicKey)
  await renewal.calls.renew_certificate(await sign(second.publicKey))
  expect(presented.every(fits)).toBe(true)
})

test('a certificate without a key is refused', async () => {
  const signed = await sign((await new Renewal(silentLog).calls.renew_key({})).publicKey)
  expect(await faultOf(() => renewal.calls.renew_certificate(signed))).toBe('request.invalid')
  expect(presented).toEqual([])
})

test('a key is used once', async () => {
  const signed = await sign((await renewal.calls.renew_key({})).publicKey)
  await renewal.calls.renew_certificate(signed)
  expect(await faultOf(() => renewal.calls.renew_certificate(signed))).toBe('request.invalid')
  expect(presented).toHaveLength(1)
})

test('a certificate that cannot be presented leaves the key waiting for a better one', async () => {
  const { publicKey } = await renewal.calls.renew_key({})
  renewal.present = (identity) => {
    if (!fits(identity))
      throw new Fault('request.invalid', { problem: 'the certificate does not fit the key' })
    presented.push(identity)
  }
  const wrong = await sign((await new Renewal(silentLog).calls.renew_key({})).publicKey)
  expect(await faultOf(() => renewal.calls.renew_certificate(wrong))).toBe('request.invalid')
  await renewal.calls.renew_certificate(await sign(publicKey))
  expect(presented).toHaveLength(1)
})

test('before anybody can present it, a certificate is refused, and may come again', async () => {
  const early = new Renewal(silentLog)
  const signed = await sign((await early.calls.renew_key({})).publicKey)
  expect(await faultOf(() => early.calls.renew_certificate(signed))).toBe('server.stopping')
  early.present = (identity) => presented.push(identity)
  await early.calls.renew_certificate(signed)
  expect(presented).toHaveLength(1)
})

test('the log has no key', async () => {
  await renewal.calls.renew_certificate(await sign((await renewal.calls.renew_key({})).publicKey))
  expect(said).toHaveLength(1)
  expect(JSON.stringify(said)).not.toContain('KEY')
})

test('a server shows the new certificate to who comes, and does not lose who is there', async () => {
  const first = new Renewal(silentLog)
  const enrolled: EnrolledIdentity[] = []
  first.present = (identity) => enrolled.push(identity)
  await first.calls.renew_certificate(await sign((await first.calls.renew_key({})).publicKey))
  const [{ key, certificate } = { key: '', certificate: '' }] = enrolled
  const server = createServer({ key, cert: certificate }, (socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const call = async (): Promise<TLSSocket> => {
    const { port } = server.address() as AddressInfo
    const host = '127.0.0.1'
    const socket = connect({ host, port, ca: authority.certificate, checkServerIdentity: () => undefined })
    await once(socket, 'secureConnect')
    return socket
  }
  const numberOf = (socket: TLSSocket): string => socket.getPeerCertificate().serialNumber
  const there = await call()
  renewal.present = (next) => server.setSecureContext({ key: next.key, cert: next.certificate })
  const signed = await sign((await renewal.calls.renew_key({})).publicKey)
  await renewal.calls.renew_certificate(signed)
  const comes = await call()
  expect(numberOf(there)).toBe(new X509Certificate(certificate).serialNumber)
  expect(numberOf(comes)).toBe(new X509Certificate(signed.certificate).serialNumber)
  there.write('still here')
  expect(String((await once(there, 'data'))[0])).toBe('still here')
  for (const socket of [there, comes]) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})
