import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { authenticate } from '../auth/chain.ts'
import type { AuthPlugin, Credentials, User } from '../auth/plugin.ts'

/** Says who sent a request. */
export interface SignIn {
  /** @throws Fault `auth.required` or `auth.unavailable`. */
  byHeader(request: IncomingMessage): Promise<User>
  byPassword(credentials: Credentials): Promise<User>
}

/** So long a connection's credentials are not checked again; then a blocked user is out. */
const TRUSTED_MS = 60_000

/**
 * Signs users in by HTTP Basic. The same credentials on the same connection are not checked again: the Perl client
 * sends them with every request (C-16).
 */
export function signInWith(plugins: readonly AuthPlugin[]): SignIn {
  const known = new WeakMap<Socket, { digest: Buffer; user: User; until: number }>()
  return {
    byPassword: (credentials) => authenticate(plugins, credentials),
    byHeader: async (request) => {
      const header = request.headers.authorization ?? ''
      const digest = createHash('sha256').update(header).digest()
      const before = known.get(request.socket)
      if (before !== undefined && before.until > systemClock.now() && timingSafeEqual(before.digest, digest))
        return before.user
      const user = await authenticate(plugins, parseBasic(header))
      known.set(request.socket, { digest, user, until: systemClock.now() + TRUSTED_MS })
      return user
    },
  }
}

/**
 * Reads `Basic base64(login:password)`; everything behind the first colon is the password.
 * @throws Fault `auth.required`.
 */
export function parseBasic(header: string): Credentials {
  const encoded = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header.trim())?.[1]
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) throw new Fault('auth.required', { reason: 'no usable credentials' })
  return { login: text.slice(0, colon), password: new Secret(text.slice(colon + 1)) }
}
