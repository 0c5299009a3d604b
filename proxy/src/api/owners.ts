import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { flavourEdit, tenantEdit } from '@ostler/contract/model-api.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import { flavourByName } from '../store/admin.ts'
import { setFlavourLimits } from '../store/flavour-limits.ts'
import { setHomeLimit } from '../store/home-trash.ts'
import { deleteTenant, renameTenant } from '../store/tenants.ts'
import { type Named, type Route, route } from './route.ts'

/**
 * What desktops of a new flavour may receive and send.
 * @throws Fault `request.invalid` for desktops that have no network of their own: a limit of nothing would be believed in.
 */
export function ratesOf(said: {
  readonly net_in?: number | undefined
  readonly net_out?: number | undefined
  readonly hypervisor?: string | undefined
}): NetworkRates {
  const rates = { inKbit: said.net_in ?? null, outKbit: said.net_out ?? null }
  if (said.hypervisor === 'process' && (rates.inKbit ?? rates.outKbit) !== null)
    throw new Fault('request.invalid', {
      problem: 'desktops of hypervisor=process have no network: net_in and net_out would limit nothing',
    })
  return rates
}

const TENANT: Named = { kind: 'tenant', in: 'path', key: 'name' }

/** Changes of tenants and flavours. */
export function ownerRoutes(): Route[] {
  const { tenant, osf } = ADMIN_OBJECTS
  return [
    route({
      method: 'patch',
      path: `${tenant.path}/:name`,
      summary: 'Gives a tenant another name.',
      needs: 'tenant.change',
      about: [TENANT],
      body: tenantEdit,
      run: async ({ db, part, body: { name } }) => {
        await renameTenant(db, part('name'), name)
        return {}
      },
    }),
    route({
      method: 'delete',
      path: `${tenant.path}/:name`,
      summary: 'Removes a tenant that has nothing any more.',
      needs: 'tenant.change',
      about: [TENANT],
      run: async ({ db, part }) => {
        await deleteTenant(db, part('name'))
        return {}
      },
    }),
    route({
      method: 'patch',
      path: `${osf.path}/:name`,
      summary:
        'Changes how many desktops a flavour may have, what they and their homes may hold, and how soon they are there.',
      needs: 'flavour.change',
      reach: 'tenant',
      about: [{ kind: 'osf', in: 'path', key: 'name' }],
      body: flavourEdit,
      run: async ({ db, part, body: said }) => {
        const { net_in: net_in_kbit, net_out: net_out_kbit, disk_rate: disk_kbytes, ...others } = said
        const { user_storage_size: homeMb, ...more } = others
        const name = part('name')
        if (homeMb !== undefined) await setHomeLimit(db, await flavourByName(db, name), homeMb)
        await setFlavourLimits(db, name, { ...more, net_in_kbit, net_out_kbit, disk_kbytes })
        return {}
      },
    }),
  ]
}
