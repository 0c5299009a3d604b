import { Secret } from '@ostler/kit/secret.ts'
import { expect, test } from 'vitest'
import { hashPassword, verifyPassword } from './password.ts'

const phc = await hashPassword(new Secret('grüße 🗝'))

test('a password belongs to its own hash and to no other', async () => {
  expect(await verifyPassword(new Secret('grüße 🗝'), phc)).toBe(true)
  for (const wrong of ['', 'grüße', 'grüße 🗝 ', 'GRÜSSE 🗝'])
    expect(await verifyPassword(new Secret(wrong), phc)).toBe(false)
})

test('the hash is a PHC string of argon2id with the costs that OWASP names', () => {
  expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
})

test('the same password gets another salt every time', async () => {
  expect(await hashPassword(new Secret('grüße 🗝'))).not.toBe(phc)
})

test('a hash with other costs is still verified', async () => {
  const cheap = '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'
  expect(await verifyPassword(new Secret('x'), cheap)).toBe(false)
})

test.each([
  '',
  'plain',
  '$2b$10$abc',
  '$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA',
  '*',
  '$argon2id$v=19$$$',
])('nothing belongs to %j', async (text) => {
  expect(await verifyPassword(new Secret(text), text)).toBe(false)
})
