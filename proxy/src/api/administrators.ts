import {
  ADMINISTRATORS_PATH,
  AUDIT_PATH,
  firstAdministrator,
  type Invited,
  newAdministrator,
  newInvitation,
  newToken,
  type Permission,
  permissionsOf,
  REDEEM_PATH,
  redeemBody,
  ROLE_PERMISSIONS,
  SELF_PATH,
  type TokenMade,
  TOKENS_PATH,
} from '@ostler/contract/administrators.ts'
import { blockBody } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import {
  addAdministrator,
  addAdministratorToken,
  administratorByName,
  blockAdministrator,
  countSuperadmins,
  deleteAdministrator,
  deleteAdministratorToken,
  listAdministrators,
  listAdministratorTokens,
  takeInvitation,
} from '../store/administrators.ts'
import { listAudit } from '../store/audit.ts'
import type { Db } from '../store/open.ts'
import { requireTenant } from '../store/users.ts'
import { administratorRow, auditRow, tokenRow } from './answers.ts'
import { type Caller, digestOf, makeSecret } from './caller.ts'
import { added, listRoute, type Named, type Route, route, time } from './route.ts'

const DAY_SECONDS = 86_400
/** Of the token that an invitation becomes. */
const REDEEMED_DAYS = 90
const ADMINISTRATOR: Named = { kind: 'administrator', in: 'path', key: 'name' }
const made = z.strictObject({ id: z.int(), token: z.string(), administrator: z.string(), expires: time })
const invited = z.strictObject({ code: z.string(), administrator: z.string(), expires: time })

/** Administrators, their tokens and invitations, and what they did. */
export function administratorRoutes(): Route[] {
  return [...people(), ...tokens(), ...invitations(), ...looks()]
}

function people(): Route[] {
  const same = { needs: 'administrator.change', reach: 'tenant' } as const
  return [
    listRoute({
      path: ADMINISTRATORS_PATH,
      summary: 'Administrators.',
      needs: 'administrator.see',
      row: administratorRow,
      hints: ['ostler_admin'],
      rows: listAdministrators,
    }),
    route({
      ...same,
      method: 'post',
      path: ADMINISTRATORS_PATH,
      summary: 'Adds an administrator, who can do no more than who adds her.',
      makes: 'administrator',
      body: newAdministrator,
      answer: added,
      status: 201,
      run: async ({ db, caller, body: { name, role, tenant } }) => {
        requireOver(caller, role)
        const tenantId = tenant === undefined ? undefined : await requireTenant(db, tenant)
        return { id: await addAdministrator(db, { name, role, tenantId }) }
      },
    }),
    route({
      ...same,
      method: 'post',
      path: `${ADMINISTRATORS_PATH}/:name/blocked`,
      summary: 'Blocks an administrator with all her tokens, or opens her again.',
      about: [ADMINISTRATOR],
      body: blockBody,
      run: async ({ db, caller, part, body: { blocked } }) => {
        const { id, name, role } = await administratorByName(db, part('name'))
        requireOver(caller, role)
        await blockAdministrator(db, id, blocked)
        if (role === 'superadmin') await requireOneLeft(db, name)
        return {}
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${ADMINISTRATORS_PATH}/:name`,
      summary: 'Removes an administrator with her tokens.',
      about: [ADMINISTRATOR],
      run: async ({ db, caller, part }) => {
        const { id, name, role } = await administratorByName(db, part('name'))
        requireOver(caller, role)
        await deleteAdministrator(db, id)
        if (role === 'superadmin') await requireOneLeft(db, name)
        return {}
      },
    }),
  ]
}

function tokens(): Route[] {
  const same = { needs: 'administrator.change', reach: 'tenant' } as const
  return [
    listRoute({
      path: TOKENS_PATH,
      summary: 'Tokens and invitations, without what opens anything.',
      needs: 'administrator.see',
      row: tokenRow,
      rows: listAdministratorTokens,
    }),
    route({
      ...same,
      method: 'post',
      path: TOKENS_PATH,
      summary: 'Makes a token. Its text is shown this once.',
      about: [{ kind: 'administrator', in: 'body', key: 'administrator' }],
      body: newToken,
      answer: made,
      status: 201,
      run: async ({ db, caller, body: { administrator = caller.name, name, scope, days } }) => {
        const owner = await administratorByName(db, administrator)
        if (scope === undefined) requireOver(caller, owner.role)
        else requireHas(caller, scope.flatMap(permissionsOf))
        return await makeToken(db, owner, { name, scope, days })
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${TOKENS_PATH}/:id`,
      summary: 'Ends a token at once.',
      about: [{ kind: 'token', in: 'path', key: 'id' }],
      run: async ({ db, part }) => {
        const id = part('id')
        await deleteAdministratorToken(db, /^\d{1,9}$/.test(id) ? Number(id) : 0)
        return {}
      },
    }),
  ]
}

function invitations(): Route[] {
  return [
    route({
      method: 'post',
      path: `${ADMINISTRATORS_PATH}/:name/invitations`,
      summary: 'Makes a code that becomes a token, once.',
      needs: 'administrator.change',
      reach: 'tenant',
      about: [ADMINISTRATOR],
      body: newInvitation,
      answer: invited,
      status: 201,
      run: async ({ db, caller, part, body: { hours } }) => {
        const owner = await administratorByName(db, part('name'))
        requireOver(caller, owner.role)
        return await invite(db, owner, hours * 3_600)
      },
    }),
    route({
      method: 'post',
      path: '/v1/init',
      summary: 'Adds the first administrator, and invites her. There is no password before, and none after.',
      needs: 'administrator.change',
      body: firstAdministrator,
      answer: invited,
      status: 201,
      run: async ({ db, body: { name } }) => {
        if ((await countSuperadmins(db)) > 0) throw new Fault('admin.exists')
        const id = await addAdministrator(db, { name, role: 'superadmin', tenantId: undefined })
        return await invite(db, { id, name }, DAY_SECONDS)
      },
    }),
    route({
      method: 'post',
      path: REDEEM_PATH,
      summary: 'Exchanges the code of an invitation for a token. A code is good once.',
      needs: 'nobody',
      reach: 'tenant',
      body: redeemBody,
      answer: made,
      status: 201,
      run: async ({ db, body: { code, name } }) => {
        const owner = await takeInvitation(db, digestOf(code))
        if (owner === undefined) throw new Fault('admin.code')
        return await makeToken(db, owner, { name, scope: undefined, days: REDEEMED_DAYS })
      },
    }),
  ]
}

function looks(): Route[] {
  return [
    route({
      method: 'get',
      path: SELF_PATH,
      summary: 'Who asks, and what she may.',
      needs: 'self.see',
      reach: 'tenant',
      answer: z.strictObject({
        ...{ name: z.string(), role: z.string(), tenant: z.string().nullable() },
        permissions: z.array(z.string()),
        expires: time.nullable(),
      }),
      run: ({ caller: { name, role, tenant, permissions, until } }) => ({
        ...{ name, role, tenant: tenant?.name ?? null, permissions: [...permissions] },
        expires: until?.toISOString() ?? null,
      }),
    }),
    route({
      method: 'get',
      path: AUDIT_PATH,
      summary: 'Who did what, and what was before and after; newest first.',
      needs: 'audit.see',
      reach: 'tenant',
      query: z.strictObject({
        before: z.coerce.number().int().positive().optional().describe('only lines older than this number'),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
      answer: z.array(auditRow),
      hints: ['ostler_admin', 'ostler_vm', 'ostler_config', 'ostler_job'],
      run: async ({ db, tenantId, query: { before, limit } }) =>
        await listAudit(db, { tenantId, before, limit }),
    }),
  ]
}

async function makeToken(
  db: Db,
  owner: { id: number; name: string },
  { name, scope, days }: { name: string; scope: readonly string[] | undefined; days: number },
): Promise<TokenMade> {
  const { text, digest } = makeSecret('token')
  const kept = { administratorId: owner.id, kind: 'token', name, digest, scope } as const
  const { id, expires } = await addAdministratorToken(db, { ...kept, seconds: days * DAY_SECONDS })
  return { id, token: text, administrator: owner.name, expires: expires.toISOString() }
}

async function invite(db: Db, owner: { id: number; name: string }, seconds: number): Promise<Invited> {
  const { text, digest } = makeSecret('invitation')
  const kept = { administratorId: owner.id, kind: 'invitation', name: 'invitation', digest } as const
  const { expires } = await addAdministratorToken(db, { ...kept, seconds })
  return { code: text, administrator: owner.name, expires: expires.toISOString() }
}

/** Nobody makes somebody who may more. @throws Fault `admin.forbidden`. */
function requireOver(caller: Caller, role: keyof typeof ROLE_PERMISSIONS): void {
  // Within a tenant nobody can do what is of all tenants, whatever the role has.
  const wide = /^(host|storage|backup|notice|configuration|tenant|job)\./
  requireHas(
    caller,
    ROLE_PERMISSIONS[role].filter((permission) => caller.tenant === undefined || !wide.test(permission)),
  )
}

function requireHas(caller: Caller, wanted: readonly Permission[]): void {
  const lacking = wanted.find((permission) => !caller.permissions.has(permission))
  if (lacking !== undefined) throw new Fault('admin.forbidden', { who: caller.name, needs: lacking })
}

async function requireOneLeft(db: Db, name: string): Promise<void> {
  if ((await countSuperadmins(db)) === 0) throw new Fault('admin.last', { name })
}
