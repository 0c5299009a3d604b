import { Fault } from '@ostler/contract/fault.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import type { AuthValues } from '../registry.ts'

/** What is configured about the provider. */
export interface OidcSettings {
  readonly issuer: URL
  readonly clientId: string
  /** `undefined` for a public client. */
  readonly clientSecret: Secret | undefined
  readonly scope: string
  readonly loginClaim: string
  /** What must stand behind the @ of a login; `undefined`: logins have no @. */
  readonly loginDomain: string | undefined
  /** `undefined`: nobody has groups. */
  readonly groupsClaim: string | undefined
  /** `undefined`: everybody belongs to the default tenant. */
  readonly tenantClaim: string | undefined
  readonly redirectUrl: URL | undefined
  readonly label: string
  /** File with the certificates that the provider is trusted by; `undefined`: those of the system. */
  readonly ca: string | undefined
  readonly caseSensitive: boolean
  /** Milliseconds that the provider has to answer. */
  readonly timeoutMs: number
}

/** Where providers send users back to, below the door's address. */
export const CALLBACK_PATH = '/portal/api/oidc/callback'

/**
 * @returns `undefined` when no provider is configured.
 * @throws Fault `auth.unavailable` naming the key that cannot be used.
 */
export function oidcSettings(values: AuthValues): OidcSettings | undefined {
  const issuer = values['l7r.auth.oidc.issuer']
  if (issuer === '') return undefined
  if (values['l7r.auth.oidc.client_id'] === '') throw unusable('client_id', 'is missing')
  const redirect = values['l7r.auth.oidc.redirect_url']
  return {
    issuer: httpsUrl('issuer', issuer),
    clientId: values['l7r.auth.oidc.client_id'],
    clientSecret:
      values['l7r.auth.oidc.client_secret'].reveal() === ''
        ? undefined
        : values['l7r.auth.oidc.client_secret'],
    scope: scopeOf(values['l7r.auth.oidc.scope']),
    loginClaim: values['l7r.auth.oidc.login_claim'],
    loginDomain: values['l7r.auth.oidc.login_domain'].toLowerCase() || undefined,
    groupsClaim: values['l7r.auth.oidc.groups_claim'] || undefined,
    tenantClaim: values['l7r.auth.oidc.tenant_claim'] || undefined,
    redirectUrl: redirect === '' ? undefined : callbackUrl(redirect),
    label: values['l7r.auth.oidc.label'],
    ca: values['l7r.auth.oidc.ca'] || undefined,
    caseSensitive: values['model.user.login.case-sensitive'],
    timeoutMs: values['l7r.auth.timeout'] * 1_000,
  }
}

/** Without `openid` a provider says nothing about who somebody is. */
function scopeOf(text: string): string {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return [...new Set(['openid', ...words])].join(' ')
}

function callbackUrl(text: string): URL {
  const url = httpsUrl('redirect_url', text)
  if (url.pathname !== CALLBACK_PATH || url.search !== '' || url.hash !== '')
    throw unusable('redirect_url', `must end with ${CALLBACK_PATH}`)
  return url
}

/** Passwords of a whole house come over this connection: never without TLS. */
function httpsUrl(name: string, text: string): URL {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:')
    throw unusable(name, 'must begin with https://')
  return new URL(text)
}

function unusable(name: string, problem: string): Fault {
  return new Fault('auth.unavailable', { reason: `l7r.auth.oidc.${name} ${problem}` })
}
