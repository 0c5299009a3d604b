import type { Secret } from '@ostler/kit/secret.ts'
import { createHash, timingSafeEqual } from 'node:crypto'

/** QVD keeps SHA-256 of salt and password, in base64 without padding (compatibility page 6.3, C-94). */
const QVD_HASH = /^[A-Za-z0-9+/]{43}$/

export function isQvdHash(hash: string): boolean {
  return QVD_HASH.test(hash)
}

/** Says whether a password belongs to a hash of QVD's. @param salt `l7r.auth.plugin.default.salt`. */
export function verifyQvdHash(password: Secret, hash: string, salt: string): boolean {
  const actual = createHash('sha256').update(salt).update(password.reveal()).digest()
  const expected = Buffer.from(hash, 'base64')
  return expected.length === actual.length && timingSafeEqual(actual, expected)
}
