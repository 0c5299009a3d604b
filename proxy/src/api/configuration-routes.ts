import { CONFIGURATION_PATH, configurationBody } from '@ostler/contract/admin-api.ts'
import { FINDINGS_PATH, IMPORT_PATH, importBody } from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Hono } from 'hono'
import type { Db } from '../store/open.ts'
import { requireTenant } from '../store/users.ts'
import { body } from './body.ts'
import type { ConfigurationDesk, ConfigurationSource } from './configuration.ts'
import { ConfigurationImport } from './configuration-import.ts'

/** Reads, sets, removes, judges and takes over keys of the configuration. */
export function addConfigurationRoutes(
  app: Hono,
  db: Db,
  desk: ConfigurationDesk,
  source: ConfigurationSource,
): void {
  const tenantOf = async (name: string | undefined): Promise<number | undefined> =>
    name === undefined ? undefined : await requireTenant(db, name)
  app.get(CONFIGURATION_PATH, async (context) => {
    const tenantId = await tenantOf(context.req.query('tenant'))
    return context.json(await desk.get(tenantId, context.req.queries('key') ?? []))
  })
  app.post(CONFIGURATION_PATH, async (context) => {
    const { tenant, set } = await body(context, configurationBody)
    return context.json(await desk.set(await tenantOf(tenant), set))
  })
  app.delete(CONFIGURATION_PATH, async (context) => {
    const tenantId = await tenantOf(context.req.query('tenant'))
    const keys = context.req.queries('key') ?? []
    if (keys.length === 0) throw new Fault('request.invalid', { problem: 'name the keys to be removed' })
    return context.json(await desk.delete(tenantId, keys))
  })
  app.get(FINDINGS_PATH, async (context) => context.json(await desk.findings()))
  const taking = new ConfigurationImport(db, source, desk)
  app.post(IMPORT_PATH, async (context) => context.json(await taking.take(await body(context, importBody))))
}
