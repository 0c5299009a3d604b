import type { FirstDesktop, Provided } from '../model/first-desktop.ts'
import type { UserRole } from '../model/user.ts'
import type { Tenant } from './plugin.ts'

/** Somebody with a row of her own. */
export interface User {
  readonly id: number
  readonly login: string
  readonly tenant: Tenant
  readonly role: UserRole
}

/** A user's row as signing in needs it. */
export interface UserRecord extends User {
  /** A PHC string of argon2id, or a hash that came from QVD; empty for a user whom a directory knows. */
  readonly password: string
  /** She is blocked, or her tenant is. */
  readonly blocked: boolean
  /** The groups that she is in here, whatever plugins say of others. */
  readonly localGroups: readonly string[]
}

export interface TenantRecord extends Tenant {
  readonly blocked: boolean
}

/** A token's row: who comes in with it, and to what. */
export interface TokenRecord {
  readonly user: UserRecord
  /** The only desktop that it opens; `undefined`: all of hers. */
  readonly vmId: number | undefined
  /** What plugins said when it was made. */
  readonly parameters: Readonly<Record<string, string>>
  readonly groups: readonly string[]
}

/**
 * What became of a credential that counts once: it is `fresh`, or the same user shows it `again` from the same
 * address within a minute (clients need two connections), or it was `spent`.
 */
export type Spending = 'fresh' | 'again' | 'spent'

/** What signing in must know and remember. The database keeps it, so that all doors share it. */
export interface SignInRecords {
  tenantByName(name: string): Promise<TenantRecord | undefined>
  userByLogin(tenantId: number, login: string): Promise<UserRecord | undefined>
  userById(id: number): Promise<UserRecord | undefined>
  /** The value of a user's property. */
  userProperty(tenantId: number, login: string, key: string): Promise<string | undefined>
  /** Replaces a hash, if it still is the one that was read. */
  replaceHash(userId: number, before: string, after: string): Promise<void>
  /**
   * Takes a one-time credential of a user.
   * @param order grows with every one of its kind: older ones than the last taken are spent.
   */
  spend(userId: number, kind: 'totp', order: number, address: string): Promise<Spending>
  /** Finds a token by the SHA-256 of its text and takes it, if it counts once. Expired ones are removed. */
  takeToken(digest: Buffer, address: string): Promise<TokenRecord | undefined>
  /** Makes a user's row and a desktop of a flavour, unless she has them. Two who ask at once make them once. */
  provideFirstDesktop(wanted: FirstDesktop): Promise<Provided>
}
