import { Fault } from '@ostler/contract/fault.ts'
import { Gate } from '@ostler/kit/gate.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { hashPassword, verifyPassword } from './password.ts'
import type { AuthPlugin, Verdict } from './plugin.ts'

/** A user as the local plugin needs her. */
interface LocalUser {
  readonly id: number
  readonly login: string
  readonly password: string
  readonly blocked: boolean
}

/** Each takes a core for some 20 ms and 19 MiB: a flood of sign-ins must leave room for those who are in. */
const HASHES_AT_ONCE = 2
const HASHES_WAITING = 200

/**
 * The plugin `default`: users with an argon2id hash in the database. An unknown user costs as much time as a
 * wrong password. It decides about every login, so it stands last in a chain.
 */
export async function localPlugin(
  find: (login: string) => Promise<LocalUser | undefined>,
): Promise<AuthPlugin> {
  const gate = new Gate(HASHES_AT_ONCE, HASHES_WAITING)
  const nobody = await hashPassword(new Secret('nobody has this password'))
  return {
    name: 'default',
    authenticate: async ({ login, password }): Promise<Verdict> => {
      const user = await find(normalizeLogin(login))
      const matches = await gate.pass(
        () => verifyPassword(password, user?.password ?? nobody),
        () => new Fault('auth.unavailable', { reason: 'too many are signing in at once' }),
      )
      if (user === undefined || !matches) return { kind: 'reject', reason: 'unknown user or wrong password' }
      if (user.blocked) return { kind: 'reject', reason: 'blocked user' }
      return { kind: 'accept', user: { id: user.id, login: user.login } }
    },
  }
}

/** Logins are compared trimmed and in lower case, as QVD does by default. */
export function normalizeLogin(login: string): string {
  return login.trim().toLowerCase()
}
