import { Secret } from '@ostler/kit/secret.ts'
import { AUTH_OPTIONS } from './options.ts'

const LOOKS_SECRET = /(secret|passw|passphrase|bindpass|token$|key$)/i

/**
 * Says whether the value of a configuration key or property must not be shown: our own secrets, and what a plugin of
 * a site most likely means as one, such as `l7r.auth.plugin.radius.secret`.
 */
export function isSecretKey(key: string): boolean {
  if (key.startsWith('path.')) return false
  const option = Object.entries(AUTH_OPTIONS).find(([known]) => known === key)?.[1]
  return LOOKS_SECRET.test(key) || option?.parse(option.default ?? '') instanceof Secret
}
