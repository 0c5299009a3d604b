import { Fault } from '@ostler/contract/fault.ts'
import type { AuthPlugin, Credentials, User, Verdict } from './plugin.ts'

/**
 * Asks the plugins in order; the first that accepts or rejects decides, and if all abstain nobody knows the user.
 * @throws Fault `auth.required` for no, `auth.unavailable` when a plugin could not tell.
 */
export async function authenticate(plugins: readonly AuthPlugin[], credentials: Credentials): Promise<User> {
  if (credentials.login === '' || credentials.password.reveal() === '') throw new Fault('auth.required')
  for (const plugin of plugins) {
    let verdict: Verdict
    try {
      verdict = await plugin.authenticate(credentials)
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      throw new Fault('auth.unavailable', { reason: `${plugin.name} failed` }, { cause })
    }
    if (verdict.kind === 'accept') return verdict.user
    if (verdict.kind === 'reject') throw new Fault('auth.required', { reason: verdict.reason })
  }
  throw new Fault('auth.required', { reason: 'no plugin knows the user' })
}
