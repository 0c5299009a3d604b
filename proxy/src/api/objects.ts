import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import type { Permission } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import * as z from 'zod'
import { hashPassword } from '../auth/password.ts'
import type { AddressPool } from '../store/addresses.ts'
import {
  addDesktop,
  addFlavour,
  addTenant,
  addUser,
  flavourByName,
  listObjects,
  NARROWING,
} from '../store/admin.ts'
import type { HintChannel } from '../store/hints.ts'
import { addHost, deleteHost } from '../store/hosts.ts'
import { pageOf } from '../store/listing.ts'
import { addPolicyRule, deletePolicyRule, listPolicyRules } from '../store/policy-rules.ts'
import { findNamed, settingsOf } from '../store/settings-of.ts'
import { requireTenant } from '../store/users.ts'
import { desktopRow, flavourRow, hostRow, imageRow, policyRow, tenantRow, userRow } from './answers.ts'
import type { UserFinder } from './finding.ts'
import { ratesOf } from './owners.ts'
import { policyRule } from './policy-rule.ts'
import { settingsTag } from './mount.ts'
import { added, listRoute, type Route, route } from './route.ts'

interface Kind {
  readonly needs: Permission
  readonly reach: Route['reach']
  readonly row: z.ZodObject
  readonly hints: readonly HintChannel[]
  readonly summary: string
}

/** What there is, as lists and one by one. */
const KINDS = {
  tenant: {
    ...{ needs: 'tenant.see', reach: 'tenant', row: tenantRow, hints: ['ostler_admin'] },
    summary: 'Tenants.',
  },
  user: {
    ...{ needs: 'user.see', reach: 'tenant', row: userRow, hints: ['ostler_admin'] },
    summary: 'Users.',
  },
  host: {
    ...{ needs: 'host.see', reach: 'all', row: hostRow, hints: ['ostler_host'] },
    summary: 'Nodes.',
  },
  osf: {
    ...{ needs: 'flavour.see', reach: 'tenant', row: flavourRow, hints: ['ostler_admin'] },
    summary: 'Flavours, also those of all tenants.',
  },
  di: {
    ...{ needs: 'image.see', reach: 'tenant', row: imageRow, hints: ['ostler_admin'] },
    summary: 'Disk images, also those of all tenants.',
  },
  vm: {
    ...{ needs: 'desktop.see', reach: 'tenant', row: desktopRow },
    hints: ['ostler_vm', 'ostler_seat', 'ostler_admin'],
    summary: 'Desktops.',
  },
} as const satisfies Readonly<Record<string, Kind>>
type ListedKind = keyof typeof KINDS

/** Lists what there is, shows it one by one, adds to it, and removes rules. */
export function objectRoutes(addresses: AddressPool, users: UserFinder): Route[] {
  return [
    ...(Object.keys(KINDS) as ListedKind[]).flatMap((kind) => shown(kind)),
    ...additions(addresses, users),
    ...policyRoutes(users),
  ]
}

function shown(kind: ListedKind): Route[] {
  const { row, ...about }: Kind = KINDS[kind]
  const key = kind === 'user' ? 'login' : 'name'
  const page = { columns: Object.keys(row.shape), sort: [], limit: undefined, offset: 0, count: false }
  return [
    listRoute({
      ...about,
      path: ADMIN_OBJECTS[kind].path,
      row,
      query: (db, tenantId) => listObjects(db, kind, tenantId),
      narrowing: NARROWING[kind],
    }),
    route({
      ...about,
      method: 'get',
      path: `${ADMIN_OBJECTS[kind].path}/:${key}`,
      summary: `One of them. Its ETag is of what administrators say of it, for If-Match.`,
      about: [{ kind, in: 'path', key, shared: kind === 'osf' || kind === 'di' }],
      query: z.strictObject(kind === 'user' ? { tenant: z.string().optional() } : {}),
      answer: row,
      run: async ({ db, part, query, tenantId }) => {
        const { tenant } = query as { tenant?: string }
        const name = part(key)
        const within = kind === 'user' ? { tenantId: await requireTenant(db, tenant) } : {}
        const found = await findNamed(db, { kind, name, ...within })
        if (found === undefined) throw new Fault('object.unknown', { kind, name })
        const where = [{ column: 'id', operator: '=' as const, values: [String(found.id)] }]
        const { rows } = await pageOf(db, listObjects(db, kind, tenantId), { ...page, where })
        const settings = await settingsOf(db, kind, found.id)
        if (rows[0] === undefined || settings === undefined) throw new Fault('object.unknown', { kind, name })
        return { ...rows[0], [TAG]: settingsTag(settings) }
      },
    }),
  ].map(tagged)
}

/** Where a row carries its tag until it becomes a header. */
const TAG = Symbol('tag')

function tagged(of: Route): Route {
  return {
    ...of,
    run: async (call) => {
      const { said, headers } = await of.run(call)
      const tag = (said as { [TAG]?: string })[TAG]
      return { said, headers: { ...headers, ...(tag === undefined ? {} : { ETag: tag }) } }
    },
  }
}

function additions(addresses: AddressPool, users: UserFinder): Route[] {
  const { tenant, user, host, osf, vm } = ADMIN_OBJECTS
  const same = { method: 'post', answer: added, status: 201 } as const
  return [
    route({
      ...same,
      path: tenant.path,
      summary: 'Adds a tenant.',
      needs: 'tenant.change',
      makes: 'tenant',
      body: tenant.schema,
      run: async ({ db, body: { name } }) => ({ id: await addTenant(db, name) }),
    }),
    route({
      ...same,
      path: host.path,
      summary: 'Adds a node, before it starts with this database.',
      needs: 'host.change',
      makes: 'host',
      body: host.schema,
      run: async ({ db, body: { name, address } }) => ({ id: await addHost(db, name, address) }),
    }),
    route({
      method: 'delete',
      path: `${host.path}/:name`,
      summary: 'Removes a node that is at rest and has nothing of anybody.',
      needs: 'host.change',
      about: [{ kind: 'host', in: 'path', key: 'name' }],
      run: async ({ db, part }) => {
        await deleteHost(db, part('name'))
        return {}
      },
    }),
    route({
      ...same,
      path: user.path,
      summary: 'Adds a user.',
      needs: 'user.change',
      reach: 'tenant',
      makes: 'user',
      body: user.schema,
      run: async ({ db, body: { tenant: name, login, password, role } }) => {
        const tenantId = await requireTenant(db, name)
        const hash = password === '' ? '' : await hashPassword(new Secret(password))
        const stored = await users.asStored(db, tenantId, login)
        return { id: await addUser(db, { tenantId, login: stored, password: hash, role }) }
      },
    }),
    route({
      ...same,
      path: osf.path,
      summary: 'Adds a flavour.',
      needs: 'flavour.change',
      reach: 'tenant',
      makes: 'osf',
      body: osf.schema,
      run: async ({ db, body: { name, memory, cpus, application, is_application, ...said } }) => {
        const isApplication = application ?? is_application ?? false
        const flavour = {
          ...{ name, memoryMb: memory, cpuPercent: Math.round(cpus * 100), isApplication },
          ...{ displays: said.displays, hypervisor: said.hypervisor, homeMb: said.user_storage_size },
          overlay: said.overlay,
          ...{ maxDesktops: said.max_desktops, maxPerUser: said.max_per_user },
          rates: ratesOf(said),
          diskRates: { iops: said.disk_iops ?? null, kbytes: said.disk_rate ?? null },
          ...{ sloSeconds: said.slo_seconds, sloPercent: said.slo_percent },
          tenantId: said.tenant === undefined ? undefined : await requireTenant(db, said.tenant),
        }
        return { id: await addFlavour(db, flavour) }
      },
    }),
    route({
      ...same,
      path: vm.path,
      summary: 'Adds a desktop.',
      needs: 'desktop.change',
      reach: 'tenant',
      about: [
        { kind: 'user', in: 'body', key: 'user' },
        { kind: 'osf', in: 'body', key: 'osf', shared: true },
      ],
      makes: 'vm',
      body: vm.schema,
      answer: z.strictObject({ id: z.int(), ids: z.array(z.int()).optional() }),
      run: async ({ db, body: { tenant: name, user: login, di_tag: tag, ip, bulk, ...desktop } }) => {
        const tenantId = await requireTenant(db, name)
        const stored = await users.asStored(db, tenantId, login)
        const row = { ...desktop, tag, address: ip, tenantId, user: stored }
        if (bulk === undefined) return { id: await addDesktop(db, row, addresses) }
        const ids: number[] = []
        for (let number = 1; number <= bulk; number++)
          ids.push(await addDesktop(db, { ...row, name: `${row.name}-${number}` }, addresses))
        return { id: ids[0], ids }
      },
    }),
  ]
}

function policyRoutes(users: UserFinder): Route[] {
  const { policy } = ADMIN_OBJECTS
  return [
    listRoute({
      path: policy.path,
      summary: 'Rules, in their order.',
      needs: 'policy.see',
      row: policyRow,
      hints: ['ostler_admin'],
      rows: listPolicyRules,
    }),
    route({
      method: 'post',
      path: policy.path,
      summary: 'Adds a rule.',
      needs: 'policy.change',
      reach: 'tenant',
      about: [{ kind: 'osf', in: 'body', key: 'osf', shared: true }],
      makes: 'policy',
      body: policy.schema,
      answer: added,
      status: 201,
      run: async ({ db, body: said }) => {
        const tenantId = said.tenant === undefined ? undefined : await requireTenant(db, said.tenant)
        const flavourId = said.osf === undefined ? undefined : await flavourByName(db, said.osf)
        const user = said.user === undefined ? undefined : await users.asStored(db, tenantId, said.user)
        return { id: await addPolicyRule(db, policyRule({ ...said, user }, { tenantId, flavourId })) }
      },
    }),
    route({
      method: 'delete',
      path: `${policy.path}/:name`,
      summary: 'Removes a rule.',
      needs: 'policy.change',
      reach: 'tenant',
      about: [{ kind: 'policy', in: 'path', key: 'name' }],
      run: async ({ db, part }) => {
        await deletePolicyRule(db, part('name'))
        return {}
      },
    }),
  ]
}
