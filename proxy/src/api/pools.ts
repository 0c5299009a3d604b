import { newPool, poolChange, POOLS_PATH } from '@ostler/contract/pools.ts'
import * as z from 'zod'
import type { AddressPool } from '../store/addresses.ts'
import { desktopByName, flavourByName } from '../store/admin.ts'
import { addPool, deletePool, editPool, listPoolsForAdmin, takeFromUser } from '../store/pool-admin.ts'
import { requireTenant } from '../store/users.ts'
import { poolRow } from './answers.ts'
import { added, listRoute, type Named, type Route, route } from './route.ts'

const POOL: Named = { kind: 'pool', in: 'path', key: 'name' }

/** Pools of desktops. */
export function poolRoutes(addresses: AddressPool): Route[] {
  const same = { needs: 'pool.change', reach: 'tenant' } as const
  return [
    listRoute({
      path: POOLS_PATH,
      summary: 'Pools, and what has become of their desktops.',
      needs: 'pool.see',
      row: poolRow,
      hints: ['ostler_vm', 'ostler_admin'],
      rows: listPoolsForAdmin,
    }),
    route({
      ...same,
      method: 'post',
      path: POOLS_PATH,
      summary: 'Adds a pool with its desktops.',
      about: [{ kind: 'osf', in: 'body', key: 'osf', shared: true }],
      makes: 'pool',
      body: newPool,
      answer: added,
      status: 201,
      run: async ({ db, body: { name, tenant, osf, ...said } }) => {
        const pool = {
          name,
          tenantId: await requireTenant(db, tenant),
          flavourId: await flavourByName(db, osf),
          tag: said.di_tag ?? 'default',
          assign: said.assign ?? 'floating',
          size: said.size,
          spare: said.spare ?? 0,
          most: said.max,
          stopMinutes: said['stop-after'] ?? null,
          everyone: said.everyone ?? false,
          logins: said.users ?? [],
          groups: said.groups ?? [],
        } as const
        return { id: await addPool(db, pool, addresses) }
      },
    }),
    route({
      ...same,
      method: 'patch',
      path: `${POOLS_PATH}/:name`,
      summary: 'Changes a pool; it grows at once, and shrinks as desktops are at rest.',
      about: [POOL],
      body: poolChange,
      answer: z.strictObject({ desktops: z.int() }),
      run: async ({ db, part, body: said }) => {
        const { di_tag: tag, max: most, 'stop-after': stopMinutes, users: logins, ...others } = said
        const change = { tag, most, stopMinutes, logins, ...others }
        const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
        return { desktops: await editPool(db, part('name'), known, addresses) }
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${POOLS_PATH}/:name`,
      summary: 'Removes a pool with its desktops.',
      about: [POOL],
      run: async ({ db, part }) => {
        await deletePool(db, part('name'))
        return {}
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${POOLS_PATH}/users/:desktop`,
      summary: 'Takes a desktop of a pool from the user who has it.',
      about: [{ kind: 'vm', in: 'path', key: 'desktop' }],
      run: async ({ db, part }) => {
        await takeFromUser(db, await desktopByName(db, part('desktop')))
        return {}
      },
    }),
  ]
}
