import { Fault } from '@ostler/contract/fault.ts'
import type { OidcSettings } from './settings.ts'

/** What a provider says about somebody, once it is proved to come from there. */
export type Claims = Readonly<Record<string, unknown>>

/** Who somebody is here, by what the provider says. */
export interface Identity {
  /** `undefined`: the default tenant. */
  readonly tenant: string | undefined
  readonly login: string
  readonly groups: readonly string[]
}

/** Logins are accounts in desktops. */
const LOGIN = /^[A-Za-z_][\w.-]{0,31}$/
const MAX_GROUPS = 256
const MAX_NAME = 256

type ClaimSettings = Pick<
  OidcSettings,
  'label' | 'loginClaim' | 'loginDomain' | 'groupsClaim' | 'tenantClaim' | 'caseSensitive'
>

/** @throws Fault `auth.provider` naming the claim that cannot be used, never its value. */
export function identityOf(claims: Claims, settings: ClaimSettings): Identity {
  const unusable = (claim: string, problem: string): Fault =>
    new Fault('auth.provider', { provider: settings.label, reason: `its claim ${claim} ${problem}` })
  return {
    login: loginOf(claims, settings, unusable),
    groups: groupsOf(claims, settings, unusable),
    tenant: tenantOf(claims, settings, unusable),
  }
}

type Unusable = (claim: string, problem: string) => Fault

function loginOf(
  claims: Claims,
  { loginClaim, loginDomain, caseSensitive }: ClaimSettings,
  unusable: Unusable,
): string {
  const value = claims[loginClaim]
  if (typeof value !== 'string') throw unusable(loginClaim, 'is missing')
  // Whoever may write any address into her profile could be anybody.
  if (loginClaim === 'email' && claims['email_verified'] !== true)
    throw unusable('email', 'is not verified there')
  const trimmed = value.trim()
  const at = trimmed.lastIndexOf('@')
  const domain = at === -1 ? undefined : trimmed.slice(at + 1).toLowerCase()
  if (domain !== loginDomain)
    throw unusable(
      loginClaim,
      loginDomain === undefined
        ? 'has an @ (l7r.auth.oidc.login_domain)'
        : `does not end with @${loginDomain}`,
    )
  const local = at === -1 ? trimmed : trimmed.slice(0, at)
  const login = caseSensitive ? local : local.toLowerCase()
  if (!LOGIN.test(login)) throw unusable(loginClaim, 'is no usable login')
  return login
}

function groupsOf(claims: Claims, { groupsClaim }: ClaimSettings, unusable: Unusable): readonly string[] {
  const value = groupsClaim === undefined ? undefined : claims[groupsClaim]
  if (groupsClaim === undefined || value === undefined || value === null) return []
  const usable = (name: unknown): name is string => typeof name === 'string' && name.length <= MAX_NAME
  if (!Array.isArray(value) || !value.every(usable)) throw unusable(groupsClaim, 'is no list of names')
  if (value.length > MAX_GROUPS) throw unusable(groupsClaim, `has more than ${MAX_GROUPS} names`)
  return value
}

function tenantOf(claims: Claims, { tenantClaim }: ClaimSettings, unusable: Unusable): string | undefined {
  if (tenantClaim === undefined) return undefined
  const value = claims[tenantClaim]
  if (typeof value !== 'string' || value === '' || value.length > MAX_NAME)
    throw unusable(tenantClaim, 'names no tenant')
  return value
}
