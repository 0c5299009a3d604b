import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { HOTP, Secret as Key } from 'otpauth'
import type { AuthPlugin } from '../plugin.ts'
import type { PluginContext } from '../registry.ts'

const SECRET = 'l7r.auth.plugin.totp.secret32'

/**
 * The plugin `totp`: a code by time (RFC 6238) for every user who has the property `l7r.auth.plugin.totp.secret32`, a
 * key in base32. Each step's code counts once; what "once" means says `records.spend`.
 */
export function totpPlugin({ settings, records, log }: PluginContext): AuthPlugin {
  const digits = settings['l7r.auth.plugin.totp.token_size']
  const interval = settings['l7r.auth.plugin.totp.interval']
  const t0 = settings['l7r.auth.plugin.totp.t0']
  const older = settings['l7r.auth.plugin.totp.leeway']
  const ahead = settings['l7r.auth.plugin.totp.leeway_before']

  /** @throws Fault `auth.unavailable` when there is a key that cannot be used. */
  const keyOf = async ({ tenant, login }: { tenant: { id: number; name: string }; login: string }) => {
    const text = await records.userProperty(tenant.id, login, SECRET)
    if (text === undefined) return undefined
    try {
      const key = Key.fromBase32(text.replace(/\s/g, ''))
      if (key.bytes.length > 0) return key
    } catch {
      // Without the error: it may repeat parts of the key.
    }
    log.error('the second factor of a user has no usable key', {
      property: SECRET,
      login,
      tenant: tenant.name,
    })
    throw new Fault('auth.unavailable', { reason: 'the second factor of the user is not usable' })
  }
  return {
    name: 'totp',
    secondFactor: {
      digits: async (user) => ((await keyOf(user)) === undefined ? undefined : digits),
      take: async (user, typed) => {
        const code = typed.reveal().replace(/\s/g, '')
        const secret = await keyOf(user)
        const row = await records.userByLogin(user.tenant.id, user.login)
        if (secret === undefined || row === undefined || !/^[0-9]+$/.test(code)) return false
        const now = Math.floor((systemClock.now() / 1_000 - t0) / interval)
        for (let counter = now + ahead; counter >= Math.max(0, now - older); counter--) {
          // It tells how far off the code is: 0 is right, and only null is wrong.
          if (HOTP.validate({ secret, token: code, digits, counter, window: 0 }) === null) continue
          // The step's time grows also when the interval is changed; its number does not.
          return (await records.spend(row.id, 'totp', t0 + counter * interval, user.address)) !== 'spent'
        }
        return false
      },
    },
  }
}
