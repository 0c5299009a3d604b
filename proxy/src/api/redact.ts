import { isSecretKey } from '../auth/secret-keys.ts'

/** Words whose values are secrets, or may hold some: a password, a private key, a code, a whole file of configuration. */
const SECRET = ['password', 'key', 'code', 'token', 'text']
const LONGEST = 1_000

/** What was said, without secrets and without what is too long to be kept. */
export function withoutSecrets(said: unknown): unknown {
  if (typeof said === 'string') return said.length > LONGEST ? `${said.slice(0, LONGEST)}…` : said
  if (Array.isArray(said)) return said.slice(0, LONGEST).map(withoutSecrets)
  if (typeof said !== 'object' || said === null) return said
  return Object.fromEntries(
    Object.entries(said).map(([key, value]) => [
      key,
      typeof value === 'string' && value !== '' && (SECRET.includes(key) || isSecretKey(key))
        ? '***'
        : withoutSecrets(value),
    ]),
  )
}
