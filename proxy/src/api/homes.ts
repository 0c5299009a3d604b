import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { adoptBody, type HomeKept, HOMES_PATH, type Removed, restoreBody } from '@ostler/contract/homes.ts'
import { join } from 'node:path'
import * as z from 'zod'
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
import { homeRow, removed } from './answers.ts'
import type { UserFinder } from './finding.ts'
import { listRoute, type Named, nothing, type Route, route } from './route.ts'

export interface HomeSettings {
  /** `path.storage.homefs` */
  readonly folder: string
  /** `storage.trash.days` */
  readonly trashDays: number
}

const HOME: Named = { kind: 'home', in: 'path', key: 'id' }
const home = z.looseObject({ id: z.int(), path: z.string() })

/** Homes. hkd moves the files. */
export function homeRoutes(settings: HomeSettings, users: UserFinder): Route[] {
  const { folder } = settings
  const same = { needs: 'home.change', reach: 'tenant' } as const
  return [
    listRoute({
      path: HOMES_PATH,
      summary: 'Homes, those in the trash last.',
      needs: 'home.see',
      row: homeRow,
      hints: ['ostler_home', 'ostler_admin'],
      rows: listHomes,
    }),
    route({
      method: 'post',
      path: HOMES_PATH,
      summary: "Says that what lies at a path is somebody's home.",
      needs: 'home.change',
      about: [{ kind: 'user', in: 'body', key: 'user' }],
      makes: 'home',
      body: adoptBody,
      answer: home,
      status: 201,
      run: async ({ db, body: { tenant, user: login, osf, kind, path } }) => {
        const of = { userId: await users.find(db, tenant, login), flavourId: await flavourByName(db, osf) }
        const adopted = await adoptHome(db, of, { kind, path })
        return { ...adopted, path: join(folder, adopted.path) }
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${HOMES_PATH}/:id`,
      summary: 'Puts a home into the trash.',
      about: [HOME],
      answer: removed,
      run: async ({ db, part }) =>
        told(settings, await trashHome(db, numberOf(part('id')), settings.trashDays)),
    }),
    route({
      ...same,
      method: 'post',
      path: `${HOMES_PATH}/:id/restore`,
      summary: 'Brings a home back from the trash, also for somebody else.',
      about: [
        HOME,
        { kind: 'user', in: 'body', key: 'user' },
        { kind: 'osf', in: 'body', key: 'osf', shared: true },
      ],
      body: restoreBody,
      answer: z.looseObject({ ...removed.shape, path: z.string(), login: z.string() }),
      run: async ({ db, part, body: { tenant, user: login, osf: flavour } }) => {
        const target = {
          ...(login === undefined ? {} : { userId: await users.find(db, tenant, login) }),
          ...(flavour === undefined ? {} : { flavourId: await flavourByName(db, flavour) }),
        }
        const { displaced, path, ...restored } = await restoreHome(
          db,
          numberOf(part('id')),
          target,
          settings.trashDays,
        )
        return { ...restored, ...told(settings, displaced), path: join(folder, path) }
      },
    }),
    route({
      ...same,
      method: 'post',
      path: `${HOMES_PATH}/:id/purge`,
      summary: 'Removes a home in the trash for good.',
      about: [HOME],
      body: nothing.optional(),
      run: async ({ db, part }) => {
        await purgeHome(db, numberOf(part('id')))
        return {}
      },
    }),
  ]
}

/** The removal of what has homes: desktops, users, flavours. */
export function removalRoutes(settings: HomeSettings, users: UserFinder): Route[] {
  const { user, osf, vm } = ADMIN_OBJECTS
  return [
    route({
      method: 'delete',
      path: `${vm.path}/:name`,
      summary: 'Removes a desktop that is at rest; its home goes to the trash.',
      needs: 'desktop.change',
      reach: 'tenant',
      about: [{ kind: 'vm', in: 'path', key: 'name' }],
      answer: removed,
      run: async ({ db, part }) =>
        told(settings, await deleteDesktop(db, await desktopByName(db, part('name')), settings.trashDays)),
    }),
    route({
      method: 'delete',
      path: `${user.path}/:login`,
      summary: 'Removes a user with her desktops; her homes go to the trash.',
      needs: 'user.change',
      reach: 'tenant',
      about: [{ kind: 'user', in: 'path', key: 'login' }],
      query: z.strictObject({ tenant: z.string().optional() }),
      answer: removed,
      run: async ({ db, part, query: { tenant } }) => {
        const userId = await users.find(db, tenant, part('login'))
        const { desktops, homes } = await deleteUser(db, userId, settings.trashDays)
        return told(settings, homes, desktops)
      },
    }),
    route({
      method: 'delete',
      path: `${osf.path}/:name`,
      summary: 'Removes a flavour without desktops; its homes go to the trash.',
      needs: 'flavour.change',
      reach: 'tenant',
      about: [{ kind: 'osf', in: 'path', key: 'name' }],
      answer: removed,
      run: async ({ db, part }) =>
        told(settings, await deleteFlavour(db, await flavourByName(db, part('name')), settings.trashDays)),
    }),
  ]
}

function told({ folder }: HomeSettings, homes: readonly HomeKept[], desktops = 0): Removed {
  return {
    desktops,
    homes: homes.map(({ until, ...kept }) => ({
      ...kept,
      path: join(folder, kept.path),
      until: until.toISOString(),
    })),
  }
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Fault('object.unknown', { kind: 'home', name: text })
  return Number(text)
}
