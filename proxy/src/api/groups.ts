import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { memberBody } from '@ostler/contract/model-api.ts'
import * as z from 'zod'
import { addGroup, deleteGroup, joinGroup, leaveGroup, listGroups } from '../store/groups.ts'
import { requireTenant } from '../store/users.ts'
import { groupRow } from './answers.ts'
import type { UserFinder } from './finding.ts'
import { added, listRoute, type Route, route } from './route.ts'

/** Groups of users, and who is in them. */
export function groupRoutes(users: UserFinder): Route[] {
  const { group } = ADMIN_OBJECTS
  const about = [{ kind: 'group', in: 'path', key: 'name' }] as const
  const same = { needs: 'user.change', reach: 'tenant' } as const
  return [
    listRoute({
      path: group.path,
      summary: 'Groups of users.',
      needs: 'user.see',
      row: groupRow,
      hints: ['ostler_admin'],
      rows: listGroups,
    }),
    route({
      ...same,
      method: 'post',
      path: group.path,
      summary: 'Adds a group.',
      makes: 'group',
      body: group.schema,
      answer: added,
      status: 201,
      run: async ({ db, body: { name, tenant } }) => ({
        id: await addGroup(db, await requireTenant(db, tenant), name),
      }),
    }),
    route({
      ...same,
      method: 'delete',
      path: `${group.path}/:name`,
      summary: 'Removes a group; its members stay.',
      about,
      query: z.strictObject({ tenant: z.string().optional() }),
      run: async ({ db, part, query: { tenant } }) => {
        await deleteGroup(db, await requireTenant(db, tenant), part('name'))
        return {}
      },
    }),
    ...([['join', joinGroup] as const, ['leave', leaveGroup] as const] as const).map(([word, act]) =>
      route({
        ...same,
        method: 'post',
        path: `${group.path}/:name/${word}`,
        summary: word === 'join' ? 'A user becomes a member.' : 'A user is a member no longer.',
        about: [...about, { kind: 'user', in: 'body', key: 'user' }],
        body: memberBody,
        run: async ({ db, part, body: { user, tenant } }) => {
          const tenantId = await requireTenant(db, tenant)
          await act(db, tenantId, part('name'), await users.find(db, tenant, user))
          return {}
        },
      }),
    ),
  ]
}
