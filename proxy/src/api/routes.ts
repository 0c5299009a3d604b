import {
  ADMIN_OBJECTS,
  BLOCKABLE,
  type Blockable,
  blockBody,
  NOTICES_PATH,
  passwordBody,
  propertiesBody,
  PROPERTY_OWNERS,
  type PropertyOwner,
  tunnelBody,
} from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import type { Log } from '@ostler/kit/log.ts'
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { hashPassword } from '../auth/password.ts'
import { isSecretKey } from '../auth/secret-keys.ts'
import { RESET_WISH } from '../model/wish.ts'
import type { AddressPool } from '../store/addresses.ts'
import {
  addDesktop,
  addFlavour,
  addTenant,
  addUser,
  desktopByName,
  flavourByName,
  imageByName,
  listObjects,
} from '../store/admin.ts'
import { blockDesktop, blockHost, blockTenant, blockUser } from '../store/blocks.ts'
import { explainDesktop } from '../store/explanation.ts'
import { addHost } from '../store/hosts.ts'
import { blockImage } from '../store/images.ts'
import { listNotices } from '../store/notices.ts'
import type { Db } from '../store/open.ts'
import { addPolicyRule, deletePolicyRule, listPolicyRules } from '../store/policy-rules.ts'
import { deleteProperties, listProperties, setProperties } from '../store/properties.ts'
import { requireTenant, requireUser, setPassword } from '../store/users.ts'
import { disconnectSeat } from '../store/seats.ts'
import { addWish } from '../store/vms.ts'
import { addBackupRoutes } from './backups.ts'
import { body } from './body.ts'
import { ConfigurationDesk, type ConfigurationSource } from './configuration.ts'
import { addConfigurationRoutes } from './configuration-routes.ts'
import { addGroupRoutes } from './groups.ts'
import { addHomeRoutes, type HomeSettings } from './homes.ts'
import { addImageRoutes } from './images.ts'
import { addJobRoutes } from './jobs.ts'
import { addOwnerRoutes, ratesOf } from './owners.ts'
import { policyRule } from './policy-rule.ts'
import { addRollOutRoutes } from './roll-outs.ts'
import { addSslRoutes } from './ssl.ts'
import { addStorageRoutes } from './storage.ts'
import { type DoorPlace, offerTunnel } from './tunnel-offer.ts'

const newWish = z.strictObject({
  kind: z.enum(['run', 'stop', RESET_WISH]),
  reason: z.string().max(200).default('qa'),
})

export interface AdminParts {
  readonly db: Db
  /** Where desktops get their addresses. */
  readonly pool: AddressPool
  readonly configuration: ConfigurationSource
  /** The door of this node, as it is now. */
  readonly door: () => DoorPlace
  /** The certificate that this node's doors have of their own. */
  readonly certificateFile: string
  readonly homes: HomeSettings
  /** `path.storage.staging` */
  readonly staging: string
  readonly log: Log
}

/** The administrator's REST interface. Whoever can open its unix socket is the administrator. */
export function adminRoutes(parts: AdminParts): Hono {
  const { db, pool, configuration, door, certificateFile, staging, log } = parts
  const app = new Hono()
  const desk = new ConfigurationDesk(db, configuration)
  app.onError((error, context) => {
    if (!(error instanceof Fault)) log.error('request failed', { path: context.req.path, error })
    const fault =
      error instanceof Fault ? error : new Fault('server.internal', { reference: 'see the log of the api' })
    return context.json(fault.toJSON(), fault.status as 400)
  })
  app.notFound((context) =>
    context.json(new Fault('request.notFound', { path: context.req.path }).toJSON(), 404),
  )
  addObjects(app, db, pool, desk)
  addUserRoutes(app, db, desk)
  addImageRoutes(app, db, staging)
  addHomeRoutes(app, db, parts.homes, (tenant, login) => userOf(db, desk, tenant, login))
  addGroupRoutes(app, db, (tenant, login) => userOf(db, desk, tenant, login))
  addOwnerRoutes(app, db)
  addJobRoutes(app, db)
  addRollOutRoutes(app, db)
  addBackupRoutes(app, db)
  addStorageRoutes(app, db)
  app.get(NOTICES_PATH, async (context) => context.json(await listNotices(db)))
  addProperties(app, db, desk)
  addBlocks(app, db, desk)
  addConfigurationRoutes(app, db, desk, configuration)
  addSslRoutes(app, db, { certificate: () => door().certificate, file: certificateFile }, log)
  app.get('/v1/desktops/:name/explain', async (context) =>
    context.json(await explainDesktop(db, await desktopByName(db, context.req.param('name')))),
  )
  app.post('/v1/desktops/:name/wishes', async (context) => {
    const wish = await body(context, newWish)
    const vmId = await desktopByName(db, context.req.param('name'))
    return context.json({ number: await addWish(db, { vmId, by: 'administrator', ...wish }) }, 201)
  })
  app.post('/v1/desktops/:name/tunnels', async (context) => {
    const asked = await body(context, tunnelBody)
    return context.json(await offerTunnel(db, context.req.param('name'), asked, door(), log), 201)
  })
  app.post('/v1/desktops/:name/disconnect', async (context) => {
    const name = context.req.param('name')
    const was = await disconnectSeat(db, await desktopByName(db, name), 'an administrator')
    if (was === undefined) throw new Fault('desktop.nobodyThere', { name })
    return context.json({ was })
  })
  return app
}

/** Lists and adds what there is, and removes rules. */
function addObjects(app: Hono, db: Db, pool: AddressPool, desk: ConfigurationDesk): void {
  const { tenant, user, host, osf, vm, policy } = ADMIN_OBJECTS
  for (const kind of ['tenant', 'user', 'host', 'osf', 'di', 'vm'] as const)
    app.get(ADMIN_OBJECTS[kind].path, async (context) => context.json(await listObjects(db, kind)))
  app.get(policy.path, async (context) => context.json(await listPolicyRules(db)))

  app.post(tenant.path, async (context) => {
    const { name } = await body(context, tenant.schema)
    return context.json({ id: await addTenant(db, name) }, 201)
  })
  app.post(host.path, async (context) => {
    const { name } = await body(context, host.schema)
    return context.json({ id: await addHost(db, name) }, 201)
  })
  app.post(user.path, async (context) => {
    const { tenant: name, login, password, role } = await body(context, user.schema)
    const tenantId = await requireTenant(db, name)
    const hash = password === '' ? '' : await hashPassword(new Secret(password))
    const row = { tenantId, login: await asStored(desk, tenantId, login), password: hash, role }
    return context.json({ id: await addUser(db, row) }, 201)
  })
  app.post(osf.path, async (context) => {
    const { name, memory, cpus, application, is_application, ...said } = await body(context, osf.schema)
    const isApplication = application ?? is_application ?? false
    const flavour = {
      ...{ name, memoryMb: memory, cpuPercent: Math.round(cpus * 100), isApplication },
      ...{ displays: said.displays, hypervisor: said.hypervisor, homeMb: said.user_storage_size },
      ...{ maxDesktops: said.max_desktops, maxPerUser: said.max_per_user },
      rates: ratesOf(said),
      tenantId: said.tenant === undefined ? undefined : await requireTenant(db, said.tenant),
    }
    return context.json({ id: await addFlavour(db, flavour) }, 201)
  })
  app.post(vm.path, async (context) => {
    const { tenant: name, user: login, di_tag: tag, ip, ...desktop } = await body(context, vm.schema)
    const tenantId = await requireTenant(db, name)
    const row = { ...desktop, tag, address: ip, tenantId, user: await asStored(desk, tenantId, login) }
    return context.json({ id: await addDesktop(db, row, pool) }, 201)
  })
  app.post(policy.path, async (context) => {
    const said = await body(context, policy.schema)
    const tenantId = said.tenant === undefined ? undefined : await requireTenant(db, said.tenant)
    const flavourId = said.osf === undefined ? undefined : await flavourByName(db, said.osf)
    const user = said.user === undefined ? undefined : await asStored(desk, tenantId, said.user)
    const rule = policyRule({ ...said, user }, { tenantId, flavourId })
    return context.json({ id: await addPolicyRule(db, rule) }, 201)
  })
  app.delete(`${policy.path}/:name`, async (context) => {
    await deletePolicyRule(db, context.req.param('name'))
    return context.json({})
  })
}

/** What is done to one user. */
function addUserRoutes(app: Hono, db: Db, desk: ConfigurationDesk): void {
  const path = `${ADMIN_OBJECTS.user.path}/:login` as const
  app.post(`${path}/password`, async (context) => {
    const { tenant, password } = await body(context, passwordBody)
    const userId = await userOf(db, desk, tenant, context.req.param('login'))
    await setPassword(db, userId, await hashPassword(new Secret(password)))
    return context.json({})
  })
}

/** What administrators say of users, flavours, images and desktops: the parameters of sessions (docs/parameters.md). */
function addProperties(app: Hono, db: Db, desk: ConfigurationDesk): void {
  type Find = (name: string, tenant: string | undefined) => Promise<number>
  const owners: Readonly<Record<PropertyOwner, Find>> = {
    user: (login, tenant) => userOf(db, desk, tenant, login),
    osf: (name) => flavourByName(db, name),
    di: (name) => imageByName(db, name),
    vm: (name) => desktopByName(db, name),
  }
  for (const of of PROPERTY_OWNERS) {
    const path = `${ADMIN_OBJECTS[of].path}/:name/properties` as const
    app.get(path, async (context) => {
      const id = await owners[of](context.req.param('name'), context.req.query('tenant'))
      const keys = context.req.queries('key') ?? []
      const found = await listProperties(db, of, id)
      return context.json(
        found
          .filter(({ key }) => keys.length === 0 || keys.includes(key))
          .map(({ key, value }) => ({ key, value: isSecretKey(key) ? '***' : value })),
      )
    })
    app.post(path, async (context) => {
      const { tenant, set } = await body(context, propertiesBody)
      await setProperties(db, of, await owners[of](context.req.param('name'), tenant), set)
      return context.json({})
    })
    app.delete(path, async (context) => {
      const id = await owners[of](context.req.param('name'), context.req.query('tenant'))
      return context.json({ count: await deleteProperties(db, of, id, keysOf(context)) })
    })
  }
}

/** Blocks and unblocks. */
function addBlocks(app: Hono, db: Db, desk: ConfigurationDesk): void {
  type Block = (name: string, tenant: string | undefined, blocked: boolean) => Promise<void>
  const blocks: Readonly<Record<Blockable, Block>> = {
    tenant: async (name, _, blocked) => await blockTenant(db, await requireTenant(db, name), blocked),
    user: async (login, tenant, blocked) =>
      await blockUser(db, await userOf(db, desk, tenant, login), blocked),
    host: async (name, _, blocked) => await blockHost(db, name, blocked),
    di: async (name, _, blocked) => await blockImage(db, await imageByName(db, name), blocked),
    vm: async (name, _, blocked) => await blockDesktop(db, await desktopByName(db, name), blocked),
  }
  for (const kind of BLOCKABLE)
    app.post(`${ADMIN_OBJECTS[kind].path}/:name/blocked`, async (context) => {
      const { tenant, blocked } = await body(context, blockBody)
      await blocks[kind](context.req.param('name'), tenant, blocked)
      return context.json({})
    })
}

/** A login as it stands in the database: in lower case, unless the configuration keeps its case. */
async function asStored(
  desk: ConfigurationDesk,
  tenantId: number | undefined,
  login: string,
): Promise<string> {
  return (await desk.keepsCase(tenantId)) ? login : login.toLowerCase()
}

async function userOf(
  db: Db,
  desk: ConfigurationDesk,
  tenant: string | undefined,
  login: string,
): Promise<number> {
  const tenantId = await requireTenant(db, tenant)
  return await requireUser(db, tenantId, await asStored(desk, tenantId, login))
}

/** @throws Fault `request.invalid` when none is named: nothing is removed by mistake. */
function keysOf(context: Context): readonly string[] {
  const keys = context.req.queries('key') ?? []
  if (keys.length === 0) throw new Fault('request.invalid', { problem: 'name the keys to be removed' })
  return keys
}
