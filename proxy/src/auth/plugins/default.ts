import type { AuthPlugin } from '../plugin.ts'
import { isQvdHash, verifyQvdHash } from '../qvd-hash.ts'
import type { PluginContext } from '../registry.ts'

/**
 * The plugin `default`: users with a password in the database, and the usual way to write a tenant into a login.
 * A hash that came from QVD is verified in its way and replaced by argon2id. It abstains from users without a hash;
 * unknown ones cost as much time as a wrong password.
 */
export function defaultPlugin({ settings, records, passwords, log }: PluginContext): AuthPlugin {
  const separators = settings['l7r.auth.plugin.default.separators']
  const salt = settings['l7r.auth.plugin.default.salt']
  return {
    name: 'default',
    hashes: true,
    findTenant: (typed) => {
      const at = firstAt(typed, separators)
      if (at === -1) return { tenant: settings['l7r.auth.plugin.default.tenant'], login: typed }
      return { tenant: typed.slice(at + 1), login: typed.slice(0, at) }
    },
    authenticate: async ({ tenant, login, password }) => {
      const user = await records.userByLogin(tenant.id, login)
      const hash = user?.password
      const isOld = hash !== undefined && isQvdHash(hash)
      // The old hash alone is quick: without the other one its users could be told from the rest.
      const matches = await passwords.verify(password, hash === '' || isOld ? undefined : hash)
      const isHers = isOld ? verifyQvdHash(password, hash, salt) : matches
      if (user === undefined || hash === '') return { kind: 'abstain', reason: 'no password here' }
      if (!isHers) return { kind: 'reject', reason: 'wrong password' }
      if (isOld) {
        await records.replaceHash(user.id, hash, await passwords.hash(password))
        log.info('password hash upgraded', { user: user.login })
      }
      return { kind: 'accept' }
    },
  }
}

/** Where the first of some characters stands in a text; -1 for nowhere. */
function firstAt(text: string, chars: string): number {
  for (let at = 0; at < text.length; at++) if (chars.includes(text.charAt(at))) return at
  return -1
}
