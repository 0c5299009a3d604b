import {
  type AdministratorRole,
  type Permission,
  permissionsOf,
  ROLE_PERMISSIONS,
} from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { createHash, randomBytes } from 'node:crypto'
import { findTokenOwner } from '../store/administrators.ts'
import type { Db } from '../store/open.ts'

/** Who asks. */
export interface Caller {
  /** Null for whoever can open the socket of the node. */
  readonly administratorId: number | null
  readonly name: string
  readonly role: AdministratorRole
  /** Her only tenant; `undefined`: she is of all. */
  readonly tenant: { readonly id: number; readonly name: string } | undefined
  readonly permissions: ReadonlySet<Permission>
  readonly address: string
  /** Until when her token is good; `undefined`: she has none. */
  readonly until: Date | undefined
  /** Of her token; `undefined`: she has none. */
  readonly tokenId: number | undefined
}

/** Whoever can open the unix socket of the node: root, and the group `ostler-admin`. */
export const LOCAL_CALLER: Caller = {
  administratorId: null,
  name: 'administrator',
  role: 'superadmin',
  tenant: undefined,
  permissions: new Set(ROLE_PERMISSIONS.superadmin),
  address: 'local',
  until: undefined,
  tokenId: undefined,
}

/** Nobody: before an invitation is redeemed. */
export function stranger(address: string): Caller {
  return { ...LOCAL_CALLER, name: 'nobody', role: 'auditor', permissions: new Set(), address }
}

/** What tokens and codes begin with, so that a search for lost secrets finds them. */
export const TOKEN_PREFIX = 'ostler_'
const PREFIX = { token: TOKEN_PREFIX, invitation: 'ostler-invite_' } as const

/** A new secret of 256 bits, and what is kept of it. */
export function makeSecret(kind: keyof typeof PREFIX): { readonly text: string; readonly digest: Buffer } {
  const text = `${PREFIX[kind]}${randomBytes(32).toString('base64url')}`
  return { text, digest: digestOf(text) }
}

/** What is kept of a token. It is random and long: a slow hash would protect nothing more. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

const BEARER = /^Bearer +(ostler_[\w-]{20,200})$/i

/**
 * Who comes with an `Authorization` header.
 * @throws Fault `admin.required` when it is none, or of nobody.
 */
export async function callerOf(db: Db, header: string | undefined, address: string): Promise<Caller> {
  const [, token] = BEARER.exec(header ?? '') ?? []
  const owner = token === undefined ? undefined : await findTokenOwner(db, digestOf(token), address)
  if (owner === undefined) throw new Fault('admin.required')
  const role = ROLE_PERMISSIONS[owner.role] as readonly Permission[]
  const scope = owner.scope === null ? role : owner.scope.flatMap(permissionsOf)
  return {
    administratorId: owner.id,
    name: owner.name,
    role: owner.role,
    tenant: owner.tenantId === null ? undefined : { id: owner.tenantId, name: owner.tenant ?? '' },
    permissions: new Set(scope.filter((permission) => role.includes(permission))),
    address,
    until: owner.expires,
    tokenId: owner.tokenId,
  }
}
