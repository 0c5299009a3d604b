import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { adoptBody, type HomeKept, HOMES_PATH, type Removed, restoreBody } from '@ostler/contract/homes.ts'
import type { Hono } from 'hono'
import { join } from 'node:path'
import { desktopByName, flavourByName } from '../store/admin.ts'
import {
  adoptHome,
  deleteDesktop,
  deleteFlavour,
  deleteUser,
  listHomes,
  purgeHome,
  restoreHome,
  trashHome,
} from '../store/home-trash.ts'
import type { Db } from '../store/open.ts'
import { body } from './body.ts'

export interface HomeSettings {
  /** `path.storage.homefs` */
  readonly folder: string
  /** `storage.trash.days` */
  readonly trashDays: number
}

/** The number of a user. */
export type FindUser = (tenant: string | undefined, login: string) => Promise<number>

/** Homes, and the removal of what has them: desktops, users, flavours. hkd moves the files. */
export function addHomeRoutes(app: Hono, db: Db, settings: HomeSettings, findUser: FindUser): void {
  const { folder, trashDays: days } = settings
  const { user, osf, vm } = ADMIN_OBJECTS
  const told = (homes: readonly HomeKept[], desktops = 0): Removed => ({
    desktops,
    homes: homes.map(({ until, ...home }) => ({
      ...home,
      path: join(folder, home.path),
      until: until.toISOString(),
    })),
  })
  app.get(HOMES_PATH, async (context) => context.json(await listHomes(db)))
  app.post(HOMES_PATH, async (context) => {
    const { tenant, user: login, osf: flavour, kind, path } = await body(context, adoptBody)
    const of = { userId: await findUser(tenant, login), flavourId: await flavourByName(db, flavour) }
    const adopted = await adoptHome(db, of, { kind, path })
    return context.json({ ...adopted, path: join(folder, adopted.path) }, 201)
  })
  app.delete(`${HOMES_PATH}/:id`, async (context) =>
    context.json(told(await trashHome(db, numberOf(context.req.param('id')), days))),
  )
  app.post(`${HOMES_PATH}/:id/restore`, async (context) => {
    const { tenant, user: login, osf: flavour } = await body(context, restoreBody)
    const id = numberOf(context.req.param('id'))
    const target = {
      ...(login === undefined ? {} : { userId: await findUser(tenant, login) }),
      ...(flavour === undefined ? {} : { flavourId: await flavourByName(db, flavour) }),
    }
    const { displaced, path, ...restored } = await restoreHome(db, id, target, days)
    return context.json({ ...restored, ...told(displaced), path: join(folder, path) })
  })
  app.post(`${HOMES_PATH}/:id/purge`, async (context) => {
    await purgeHome(db, numberOf(context.req.param('id')))
    return context.json({})
  })
  app.delete(`${vm.path}/:name`, async (context) =>
    context.json(told(await deleteDesktop(db, await desktopByName(db, context.req.param('name')), days))),
  )
  app.delete(`${user.path}/:login`, async (context) => {
    const userId = await findUser(context.req.query('tenant'), context.req.param('login'))
    const { desktops, homes } = await deleteUser(db, userId, days)
    return context.json(told(homes, desktops))
  })
  app.delete(`${osf.path}/:name`, async (context) =>
    context.json(told(await deleteFlavour(db, await flavourByName(db, context.req.param('name')), days))),
  )
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Fault('object.unknown', { kind: 'home', name: text })
  return Number(text)
}
