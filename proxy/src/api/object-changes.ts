import {
  ADMIN_OBJECTS,
  BLOCKABLE,
  type Blockable,
  blockBody,
  passwordBody,
  propertiesBody,
  PROPERTY_OWNERS,
  type PropertyOwner,
} from '@ostler/contract/admin-api.ts'
import type { Permission } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import * as z from 'zod'
import { hashPassword } from '../auth/password.ts'
import { isSecretKey } from '../auth/secret-keys.ts'
import { desktopByName, flavourByName, hostByName, imageByName } from '../store/admin.ts'
import { blockDesktop, blockHost, blockTenant, blockUser } from '../store/blocks.ts'
import { blockImage } from '../store/images.ts'
import type { Db } from '../store/open.ts'
import { deleteProperties, listProperties, setProperties } from '../store/properties.ts'
import { requireTenant, setPassword } from '../store/users.ts'
import { keyValue } from './answers.ts'
import type { UserFinder } from './finding.ts'
import { type Route, route } from './route.ts'

/** What is done to a user, and what several kinds have in common: properties, and being blocked. */
export function changeRoutes(users: UserFinder): Route[] {
  return [
    route({
      method: 'post',
      path: `${ADMIN_OBJECTS.user.path}/:login/password`,
      summary: 'Gives a user another password.',
      needs: 'user.change',
      reach: 'tenant',
      about: [{ kind: 'user', in: 'path', key: 'login' }],
      body: passwordBody,
      run: async ({ db, part, body: { tenant, password } }) => {
        const userId = await users.find(db, tenant, part('login'))
        await setPassword(db, userId, await hashPassword(new Secret(password)))
        return {}
      },
    }),
    ...propertyRoutes(users),
    ...blockRoutes(users),
  ]
}

const PERMISSION = { host: 'host', user: 'user', osf: 'flavour', di: 'image', vm: 'desktop' } as const
const keysQuery = z.strictObject({ tenant: z.string().optional(), key: z.array(z.string()).optional() })

/** What administrators say of users, flavours, images and desktops, the parameters of sessions (docs/parameters.md), and of nodes. */
function propertyRoutes(users: UserFinder): Route[] {
  type Find = (db: Db, name: string, tenant: string | undefined) => Promise<number>
  const owners: Readonly<Record<PropertyOwner, Find>> = {
    user: (db, login, tenant) => users.find(db, tenant, login),
    osf: flavourByName,
    di: imageByName,
    vm: desktopByName,
    host: hostByName,
  }
  return PROPERTY_OWNERS.flatMap((of) => {
    const shared = of === 'osf' || of === 'di'
    const about = [{ kind: of, in: 'path', key: 'name' }] as const
    const reach = of === 'host' ? 'all' : 'tenant'
    const path = `${ADMIN_OBJECTS[of].path}/:name/properties`
    const change = {
      path,
      about,
      reach,
      needs: `${PERMISSION[of]}.change` satisfies Permission,
    } as const
    return [
      route({
        ...{ method: 'get', path, reach, summary: 'Its properties; secrets are masked.' },
        needs: `${PERMISSION[of]}.see`,
        about: [{ ...about[0], shared }],
        query: keysQuery,
        repeated: ['key'],
        answer: z.array(keyValue),
        run: async ({ db, part, query: { tenant, key: keys = [] } }) => {
          const found = await listProperties(db, of, await owners[of](db, part('name'), tenant))
          return found
            .filter(({ key }) => keys.length === 0 || keys.includes(key))
            .map(({ key, value }) => ({ key, value: isSecretKey(key) ? '***' : value }))
        },
      }),
      route({
        ...change,
        method: 'post',
        summary: 'Sets properties.',
        body: propertiesBody,
        run: async ({ db, part, body: { tenant, set } }) => {
          await setProperties(db, of, await owners[of](db, part('name'), tenant), set)
          return {}
        },
      }),
      route({
        ...change,
        method: 'delete',
        summary: 'Removes properties.',
        query: keysQuery,
        repeated: ['key'],
        answer: z.strictObject({ count: z.int() }),
        run: async ({ db, part, query: { tenant, key = [] } }) => {
          const id = await owners[of](db, part('name'), tenant)
          // Nothing is removed by mistake.
          if (key.length === 0) throw new Fault('request.invalid', { problem: 'name the keys to be removed' })
          return { count: await deleteProperties(db, of, id, key) }
        },
      }),
    ]
  })
}

const BLOCKS = {
  tenant: 'tenant.change',
  user: 'user.change',
  host: 'host.change',
  di: 'image.change',
  vm: 'desktop.change',
} as const satisfies Readonly<Record<Blockable, Permission>>

function blockRoutes(users: UserFinder): Route[] {
  type Block = (db: Db, name: string, tenant: string | undefined, blocked: boolean) => Promise<void>
  const blocks: Readonly<Record<Blockable, Block>> = {
    tenant: async (db, name, _, blocked) => await blockTenant(db, await requireTenant(db, name), blocked),
    user: async (db, login, tenant, blocked) =>
      await blockUser(db, await users.find(db, tenant, login), blocked),
    host: async (db, name, _, blocked) => await blockHost(db, name, blocked),
    di: async (db, name, _, blocked) => await blockImage(db, await imageByName(db, name), blocked),
    vm: async (db, name, _, blocked) => await blockDesktop(db, await desktopByName(db, name), blocked),
  }
  return BLOCKABLE.map((kind) =>
    route({
      method: 'post',
      path: `${ADMIN_OBJECTS[kind].path}/:name/blocked`,
      summary: 'Blocks it, or opens it again.',
      needs: BLOCKS[kind],
      reach: kind === 'tenant' || kind === 'host' ? 'all' : 'tenant',
      about: [{ kind, in: 'path', key: 'name' }],
      body: blockBody,
      run: async ({ db, part, body: { tenant, blocked } }) => {
        await blocks[kind](db, part('name'), tenant, blocked)
        return {}
      },
    }),
  )
}
