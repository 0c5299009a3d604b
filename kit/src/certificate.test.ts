import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { issueIdentity, makeAuthority, selfSigned } from './certificate.ts'

const DAY_MS = 86_400_000
const URI = 'ostler://vma/7/3'

const authority = await makeAuthority('Ostler', 3650)
const issued = await issueIdentity(authority, { commonName: 'desktop 7', uri: URI, days: 30 })

test('the authority has signed what it issued, and says so', () => {
  const [root, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(issued.certificate)]
  expect(leaf.verify(root.publicKey)).toBe(true)
  expect(leaf.checkIssued(root)).toBe(true)
  expect([root.ca, leaf.ca]).toEqual([true, false])
})

test('another authority of the same name has not', async () => {
  const other = new X509Certificate((await makeAuthority('Ostler', 3650)).certificate)
  expect(new X509Certificate(issued.certificate).verify(other.publicKey)).toBe(false)
})

test('the URI is the only alternative name', () => {
  const leaf = new X509Certificate(issued.certificate)
  expect(leaf.subjectAltName).toBe(`URI:${URI}`)
  expect(leaf.subject).toBe('CN=desktop 7')
})

test('the key belongs to the certificate', () => {
  for (const { certificate, key } of [authority, issued])
    expect(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))).toBe(true)
})

test('a certificate begins two days ago and ends as many days from now as was asked', () => {
  for (const { pem, days } of [
    { pem: authority.certificate, days: 3650 },
    { pem: issued.certificate, days: 30 },
  ]) {
    const { validFromDate, validToDate } = new X509Certificate(pem)
    expect((validToDate.getTime() - validFromDate.getTime()) / DAY_MS).toBeCloseTo(days + 2, 3)
    expect(validFromDate.getTime()).toBeLessThan(Date.now() - 1.99 * DAY_MS)
  }
})

test('no two serial numbers are the same, all have sixteen bytes', async () => {
  const numbers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { certificate } = await issueIdentity(authority, { commonName: 'x', uri: URI, days: 1 })
      return new X509Certificate(certificate).serialNumber
    }),
  )
  expect(new Set(numbers).size).toBe(8)
  expect(numbers.every((number) => /^[4-7][0-9A-F]{31}$/.test(number))).toBe(true)
})

test('a self-signed certificate carries its names and addresses', async () => {
  const { certificate } = await selfSigned(['localhost', '127.0.0.1', '::1'], 30)
  const leaf = new X509Certificate(certificate)
  expect(leaf.checkHost('localhost')).toBe('localhost')
  expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(leaf.checkIP('::1')).toBeDefined()
  expect(leaf.checkHost('example.org')).toBeUndefined()
})

test('both ends of TLS accept each other by the authority', async () => {
  const server = createServer({
    cert: issued.certificate,
    key: issued.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({
    port: (server.address() as AddressInfo).port,
    cert: issued.certificate,
    key: issued.key,
    ca: authority.certificate,
    checkServerIdentity: () => undefined,
  })
  await Promise.all([once(client, 'secureConnect'), once(server, 'secureConnection')])
  expect(client.authorized).toBe(true)
  client.destroy()
  server.close()
})
