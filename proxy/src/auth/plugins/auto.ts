import { Fault } from '@ostler/contract/fault.ts'
import type { AuthPlugin } from '../plugin.ts'
import type { PluginContext } from '../registry.ts'

/** What an account in a desktop can be called, and a desktop after it. */
const ACCOUNT = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/

/**
 * The plugin `auto`: it lets nobody in, but whoever gets in by another plugin finds a row and a desktop of the flavour
 * `auth.auto.osf_id`, named after her. Both are made at her first sign-in, once, however many there are at once.
 */
export function autoPlugin({ settings, records, log }: PluginContext): AuthPlugin {
  const flavour = settings['auth.auto.osf_id']
  const most = settings['auth.auto.max_vms']
  const problems = {
    unknownFlavour: `auth.auto.osf_id is ${flavour}, and there is no such flavour for this tenant`,
    namesTaken: `all of the ${most} names that auth.auto.max_vms allows are taken`,
    quotaReached: `flavour ${flavour} may have no more desktops`,
    addressesTaken: 'every address for a desktop is taken',
  } as const
  return {
    name: 'auto',
    afterSignIn: async ({ tenant, login }) => {
      const fields = { login, tenant: tenant.name }
      if (!ACCOUNT.test(login)) {
        const reason = 'her login cannot be the name of an account'
        log.warn('signed in for the first time, and refused', { ...fields, reason })
        throw new Fault('auth.required', { reason })
      }
      const provided = await records.provideFirstDesktop({
        tenantId: tenant.id,
        login,
        flavourId: flavour === 0 ? undefined : flavour,
        diTag: settings['auth.auto.di_tag'],
        names: Array.from({ length: most }, (_, at) => `${login}-${at + 1}`),
      })
      if (provided === 'there') return undefined
      if (provided === 'made') {
        log.info('signed in for the first time: what was missing is made', fields)
        return undefined
      }
      log.error('nothing can be made for a user who signs in', { ...fields, reason: problems[provided] })
      throw new Fault('auth.unavailable', { reason: problems[provided] })
    },
  }
}
