import { setConfiguration } from './configuration.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** Keys of one tenant, or of all of them. */
export interface TenantKeys {
  readonly tenantId: number | undefined
  readonly values: Readonly<Record<string, string>>
}

/** Sets keys of several tenants, all or none. */
export async function setConfigurations(db: Db, groups: readonly TenantKeys[]): Promise<void> {
  await transact(db, async (tx) => {
    for (const { tenantId, values } of groups) await setConfiguration(tx, tenantId, values)
  })
}
