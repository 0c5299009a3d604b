import { CONFIGURATION_PATH, configurationBody } from '@ostler/contract/admin-api.ts'
import { FINDINGS_PATH, IMPORT_PATH, importBody } from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import type { Db } from '../store/open.ts'
import { requireTenant } from '../store/users.ts'
import { configurationChange, configurationEntry } from './answers.ts'
import { ConfigurationDesk, type ConfigurationSource } from './configuration.ts'
import { ConfigurationImport } from './configuration-import.ts'
import { type Route, route } from './route.ts'

const query = z.strictObject({ tenant: z.string().optional(), key: z.array(z.string()).optional() })

/** Reads, sets, removes, judges and takes over keys of the configuration. */
export function configurationRoutes(source: ConfigurationSource): Route[] {
  const tenantOf = async (db: Db, name: string | undefined): Promise<number | undefined> =>
    name === undefined ? undefined : await requireTenant(db, name)
  const deskOf = (db: Db): ConfigurationDesk => new ConfigurationDesk(db, source)
  const repeated = ['key']
  return [
    route({
      method: 'get',
      path: CONFIGURATION_PATH,
      summary: 'Keys with what holds and where that comes from; secrets are masked.',
      needs: 'configuration.see',
      ...{ query, repeated },
      answer: z.array(configurationEntry),
      hints: ['ostler_config'],
      run: async ({ db, query: { tenant, key } }) =>
        await deskOf(db).get(await tenantOf(db, tenant), key ?? []),
    }),
    route({
      method: 'post',
      path: CONFIGURATION_PATH,
      summary: 'Sets keys, all or none.',
      needs: 'configuration.change',
      body: configurationBody,
      answer: configurationChange,
      run: async ({ db, body: { tenant, set } }) => await deskOf(db).set(await tenantOf(db, tenant), set),
    }),
    route({
      method: 'delete',
      path: CONFIGURATION_PATH,
      summary: 'Removes keys.',
      needs: 'configuration.change',
      ...{ query, repeated },
      answer: configurationChange,
      run: async ({ db, query: { tenant, key = [] } }) => {
        if (key.length === 0) throw new Fault('request.invalid', { problem: 'name the keys to be removed' })
        return await deskOf(db).delete(await tenantOf(db, tenant), key)
      },
    }),
    route({
      method: 'get',
      path: FINDINGS_PATH,
      summary: 'Keys that are set and not used as they stand.',
      needs: 'configuration.see',
      answer: z.array(z.strictObject({ kind: z.string(), keys: z.array(z.string()), text: z.string() })),
      hints: ['ostler_config'],
      run: async ({ db }) => await deskOf(db).findings(),
    }),
    route({
      method: 'post',
      path: IMPORT_PATH,
      summary: "What becomes of a QVD's configuration; with apply=true it is done.",
      needs: 'configuration.change',
      body: importBody,
      answer: z.strictObject({
        keys: z.array(
          z.strictObject({
            key: z.string(),
            tenant: z.string().nullable(),
            kind: z.string(),
            text: z.string(),
          }),
        ),
        stored: z.int(),
        applied: z.boolean(),
      }),
      run: async ({ db, body }) => await new ConfigurationImport(db, source, deskOf(db)).take(body),
    }),
  ]
}
