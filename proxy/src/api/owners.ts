import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { flavourEdit, tenantEdit } from '@ostler/contract/model-api.ts'
import type { Hono } from 'hono'
import type { NetworkRates } from '../model/network-rates.ts'
import { flavourByName } from '../store/admin.ts'
import { setFlavourLimits } from '../store/flavour-limits.ts'
import { setHomeLimit } from '../store/home-trash.ts'
import type { Db } from '../store/open.ts'
import { deleteTenant, renameTenant } from '../store/tenants.ts'
import { body } from './body.ts'

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

/** Changes of tenants and flavours. */
export function addOwnerRoutes(app: Hono, db: Db): void {
  const { tenant, osf } = ADMIN_OBJECTS
  app.patch(`${tenant.path}/:name`, async (context) => {
    await renameTenant(db, context.req.param('name'), (await body(context, tenantEdit)).name)
    return context.json({})
  })
  app.delete(`${tenant.path}/:name`, async (context) => {
    await deleteTenant(db, context.req.param('name'))
    return context.json({})
  })
  app.patch(`${osf.path}/:name`, async (context) => {
    const said = await body(context, flavourEdit)
    const { net_in: net_in_kbit, net_out: net_out_kbit, user_storage_size: homeMb, ...more } = said
    const name = context.req.param('name')
    await db.transaction().execute(async (tx) => {
      if (homeMb !== undefined) await setHomeLimit(tx, await flavourByName(tx, name), homeMb)
      await setFlavourLimits(tx, name, { ...more, net_in_kbit, net_out_kbit })
    })
    return context.json({})
  })
}
