import type { Secret } from '@ostler/kit/secret.ts'

/** What a client presented. */
export interface Credentials {
  readonly login: string
  readonly password: Secret
}

/** Who somebody is. */
export interface User {
  readonly id: number
  readonly login: string
}

/**
 * What a plugin says. "No" is a value; an error means that it could not tell, and becomes 503, never 401.
 */
export type Verdict =
  | { readonly kind: 'accept'; readonly user: User }
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'abstain' }

export interface AuthPlugin {
  readonly name: string
  authenticate(credentials: Credentials): Promise<Verdict>
}
