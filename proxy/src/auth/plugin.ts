import type { Secret } from '@ostler/kit/secret.ts'

/** A customer of the house; users of different tenants never meet. */
export interface Tenant {
  readonly id: number
  readonly name: string
}

/** Where a sign-in comes from, and what came along with its credentials. */
export interface SignInOrigin {
  /** The client's address as text. */
  readonly address: string
  /** What the client shares by `Auth-…` headers (compatibility page 1.2): name to value. */
  readonly environment: ReadonlyMap<string, string>
  /** The names in the certificate that the client has proved to own; `undefined` without one. */
  readonly certificate: { readonly commonName: string; readonly names: readonly string[] } | undefined
  /** Ends when nobody waits for the answer any more, or when it took too long. */
  readonly signal: AbortSignal
}

/** A password to be judged. */
export interface Attempt extends SignInOrigin {
  readonly tenant: Tenant
  /** Trimmed, without its tenant, and in lower case unless `model.user.login.case-sensitive` is set. */
  readonly login: string
  /** Never empty; the digits of a second factor are cut off already. */
  readonly password: Secret
}

/** What a plugin knows about somebody whom it lets in. */
export interface Accepted {
  readonly kind: 'accept'
  /** The login under which she is known here, where it is not the one that she typed. */
  readonly login?: string
  /** For the session and its hooks, such as `qvd.vm.user.uid`. They win over properties of user and desktop. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Names of groups that policy rules may ask for. */
  readonly groups?: readonly string[]
}

/**
 * What a plugin says. "No" is a value; an error means that it could not tell, and becomes 503, never 401.
 *
 * `reject` says "this is one of mine, and the password is wrong": nobody else is asked. `abstain` says "not one of
 * mine", and the next plugin is asked.
 */
export type Verdict =
  | Accepted
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'abstain'; readonly reason?: string }

/** Somebody who was let in, on her way to her desktops. */
export interface Guest {
  readonly tenant: Tenant
  readonly login: string
  readonly groups: readonly string[]
}

/** A code that a user adds to her password. */
export interface SecondFactor {
  /** How many characters the code of this user has; `undefined` when she has none and needs none. */
  digits(user: { tenant: Tenant; login: string }): Promise<number | undefined>
  /** Says whether the code is hers now, and takes it: it is good for nobody else afterwards. */
  take(user: { tenant: Tenant; login: string; address: string }, code: Secret): Promise<boolean>
}

/**
 * One way to tell who somebody is. Every member but the name is optional; most plugins have one of them.
 * A plugin belongs to one tenant's configuration and is made again when that changes; nobody closes it, so it
 * keeps no connection open.
 */
export interface AuthPlugin {
  readonly name: string
  /** Finds the tenant in a login as it was typed; the first plugin that finds one decides. */
  findTenant?(typed: string): { readonly tenant: string; readonly login: string } | undefined
  /** Says that every judgement of this plugin costs one password hash. */
  readonly hashes?: boolean
  /** Judges a login and its password. */
  authenticate?(attempt: Attempt): Promise<Verdict>
  /** Judges a connection that has a client certificate and no other credentials. */
  authenticateCertificate?(tenant: Tenant, origin: SignInOrigin): Promise<Verdict>
  readonly secondFactor?: SecondFactor
  /**
   * Runs after somebody was let in and before her row is read: a plugin may make it here.
   * @returns further parameters for her sessions and their hooks; later plugins win over earlier ones.
   */
  afterSignIn?(guest: Guest, origin: SignInOrigin): Promise<Readonly<Record<string, string>> | undefined>
  /** Says whether she may use a desktop at all; `undefined` leaves it to others. The first that says something decides. */
  mayUse?(guest: Guest, desktop: { readonly id: number; readonly name: string }): Promise<boolean | undefined>
}

/** Whose name a login that nobody knows has: the message is for the log, never for the client. */
export const NOT_MINE = { kind: 'abstain' } as const satisfies Verdict
