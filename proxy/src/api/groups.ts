import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { memberBody } from '@ostler/contract/model-api.ts'
import type { Hono } from 'hono'
import { addGroup, deleteGroup, joinGroup, leaveGroup, listGroups } from '../store/groups.ts'
import type { Db } from '../store/open.ts'
import { requireTenant } from '../store/users.ts'
import { body } from './body.ts'

/** Finds a user by her tenant's name and her login. */
type FindUser = (tenant: string | undefined, login: string) => Promise<number>

/** Groups of users, and who is in them. */
export function addGroupRoutes(app: Hono, db: Db, findUser: FindUser): void {
  const { group } = ADMIN_OBJECTS
  app.get(group.path, async (context) => context.json(await listGroups(db)))
  app.post(group.path, async (context) => {
    const { name, tenant } = await body(context, group.schema)
    return context.json({ id: await addGroup(db, await requireTenant(db, tenant), name) }, 201)
  })
  app.delete(`${group.path}/:name`, async (context) => {
    const tenantId = await requireTenant(db, context.req.query('tenant'))
    await deleteGroup(db, tenantId, context.req.param('name'))
    return context.json({})
  })
  for (const [word, act] of [
    ['join', joinGroup],
    ['leave', leaveGroup],
  ] as const)
    app.post(`${group.path}/:name/${word}`, async (context) => {
      const { user, tenant } = await body(context, memberBody)
      const tenantId = await requireTenant(db, tenant)
      await act(db, tenantId, context.req.param('name'), await findUser(tenant, user))
      return context.json({})
    })
}
