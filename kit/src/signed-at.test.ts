import { expect, test } from 'vitest'
import { issueIdentity, makeAuthority } from './certificate.ts'
import { signedAt } from './signed-at.ts'

test('a certificate tells when it was signed, to the second', async () => {
  const authority = await makeAuthority('Ostler', 3650)
  const before = Date.now()
  const { certificate } = await issueIdentity(authority, { commonName: 'x', uri: 'ostler://l7r', days: 1 })
  expect(signedAt(certificate)).toBeGreaterThan(before - 1_000)
  expect(signedAt(certificate)).toBeLessThanOrEqual(Date.now())
})
