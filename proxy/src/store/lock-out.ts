import { Fault } from '@ostler/contract/fault.ts'
import { ROLES } from './bootstrap.ts'
import type { DatabaseAddress } from './open.ts'
import { withClient } from './single-client.ts'

/** A database that no process of a node gets into. Disposed of, it lets them in again. */
export interface LockedOut extends AsyncDisposable {
  /** From now on it stays closed, also behind its disposal. */
  keep(): void
}

/**
 * Ends every connection of hkd, doors and api to a private database, and takes their roles the right to come back. What they have
 * begun and not committed is undone by PostgreSQL. A start of hkd opens it again (`bootstrapDatabase`).
 * @throws Fault `database.unavailable`.
 */
export async function lockOut(superuser: DatabaseAddress): Promise<LockedOut> {
  await setLogin(superuser, false)
  let isKept = false
  return {
    keep: () => {
      isKept = true
    },
    [Symbol.asyncDispose]: async () => {
      if (!isKept) await setLogin(superuser, true)
    },
  }
}

async function setLogin(superuser: DatabaseAddress, mayLogIn: boolean): Promise<void> {
  const roles = Object.values(ROLES)
  try {
    await withClient(superuser, 'ostler move', async (client) => {
      for (const role of roles)
        await client.query(`ALTER ROLE ${client.escapeIdentifier(role)} ${mayLogIn ? 'LOGIN' : 'NOLOGIN'}`)
      if (!mayLogIn)
        await client.query(
          'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = ANY($1)',
          [roles],
        )
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}
