import { issueIdentity, makeAuthority, selfSigned } from '@ostler/kit/certificate.ts'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeCertificate, readGivenPems, requireUsable } from './door-certificate.ts'

const DAY_MS = 86_400_000
const now = Date.now()
const authority = await makeAuthority('House', 300)
const own = await issueIdentity(authority, { commonName: 'door', uri: 'https://door.example', days: 90 })
const other = await selfSigned(['other.example'], 90)
const locked = createPrivateKey(own.key).export({
  format: 'pem',
  type: 'pkcs8',
  cipher: 'aes-256-cbc',
  passphrase: 'hush',
})
const short = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey
const BROKEN = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
const BROKEN_LIST = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'

/** The sentence of the refusal. */
function refusal(said: Parameters<typeof requireUsable>[0]): string {
  try {
    requireUsable(said, now)
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

test('a key, its certificate and the issuers of that are taken, and what stands around them is left out', () => {
  const cert = `Bag Attributes\n${own.certificate}${own.key}subject=x\n${authority.certificate}`
  const { pems, warnings } = requireUsable({ key: cert, cert, ca: cert }, now)
  expect(pems.key.trim()).toBe(own.key.trim())
  expect(pems.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  expect(`${pems.cert}${pems.ca ?? ''}`).not.toMatch(/PRIVATE|Bag|subject/)
  expect(warnings).toEqual([])
})

test.each([
  ['nothing', {}, 'key holds no private key in PEM'],
  ['no key', { key: own.certificate, cert: own.certificate }, 'key holds no private key in PEM'],
  ['a locked key', { key: locked, cert: own.certificate }, 'key is locked by a passphrase'],
  ['two keys', { key: own.key + other.key, cert: own.certificate }, 'key holds 2 private keys'],
  ['no certificate', { key: own.key, cert: 'x' }, 'cert holds no certificate in PEM'],
  [
    'a broken certificate',
    { key: own.key, cert: own.certificate + BROKEN },
    'certificate 2 in cert cannot be read',
  ],
  ['a key of another', { key: other.key, cert: own.certificate }, 'key and cert do not belong together'],
  [
    'the issuer first',
    { key: own.key, cert: authority.certificate + own.certificate },
    'the certificate of the key is number 2 in cert',
  ],
  [
    'a chain with a stranger',
    { key: own.key, cert: own.certificate + other.certificate },
    'certificate 2 in cert has not issued certificate 1',
  ],
  ['no authority', { key: own.key, cert: own.certificate, ca: 'x' }, 'ca holds no certificate in PEM'],
  ['no list', { key: own.key, cert: own.certificate, crl: 'x' }, 'crl holds no list'],
  ['a broken list', { key: own.key, cert: own.certificate, crl: BROKEN_LIST }, 'OpenSSL does not take crl'],
])('%s is refused by name', (_, said, sentence) => {
  expect(refusal(said)).toContain(sentence)
  expect(refusal(said)).not.toContain(own.key.split('\n')[1])
})

test('a key without a certificate of its own is no pair, however short', () => {
  const key = short.export({ format: 'pem', type: 'pkcs1' })
  expect(refusal({ key, cert: own.certificate })).toContain('do not belong together')
})

test.each([
  [0, []],
  [75, [/^the certificate CN=door expires in 1\d days$/]],
  [91, [/^the certificate CN=door has expired on /]],
  [-10, [/^the certificate CN=door is not valid before /]],
])('%i days from now the warnings are %j', (days, sentences) => {
  const { warnings } = requireUsable({ key: own.key, cert: own.certificate }, now + days * DAY_MS)
  expect(warnings).toHaveLength(sentences.length)
  sentences.forEach((sentence, index) => expect(warnings[index]).toMatch(sentence))
})

test('a certificate is described', () => {
  expect(describeCertificate(own.certificate + authority.certificate, now)).toMatchObject({
    subject: 'CN=door',
    issuer: 'CN=House',
    names: ['URI:https://door.example'],
    chain: 2,
    fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/) as string,
    warnings: [],
  })
})

test('a file that is not there is none, and one that hkd has not written is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-given-'))
  try {
    const file = join(folder, 'door.json')
    expect(readGivenPems(file)).toBeUndefined()
    for (const text of ['', '{', '{"key":"x"}', '{"key":"x","cert":"x","more":"x"}']) {
      writeFileSync(file, text)
      expect(() => readGivenPems(file)).toThrow(/is not what hkd has written/)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
