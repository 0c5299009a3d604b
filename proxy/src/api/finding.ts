import { requireTenant, requireUser } from '../store/users.ts'
import type { Db } from '../store/open.ts'
import { ConfigurationDesk, type ConfigurationSource } from './configuration.ts'

/** Finds the numbers of users, whose logins stand in lower case unless the configuration keeps their case. */
export interface UserFinder {
  /** A login as it stands in the database. */
  readonly asStored: (db: Db, tenantId: number | undefined, login: string) => Promise<string>
  /** @throws Fault `object.unknown` for a tenant or user that is none. */
  readonly find: (db: Db, tenant: string | undefined, login: string) => Promise<number>
}

export function userFinder(source: ConfigurationSource): UserFinder {
  const asStored = async (db: Db, tenantId: number | undefined, login: string): Promise<string> =>
    (await new ConfigurationDesk(db, source).keepsCase(tenantId)) ? login : login.toLowerCase()
  return {
    asStored,
    find: async (db, tenant, login) => {
      const tenantId = await requireTenant(db, tenant)
      return await requireUser(db, tenantId, await asStored(db, tenantId, login))
    },
  }
}
