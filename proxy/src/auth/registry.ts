import type { Log } from '@ostler/kit/log.ts'
import type { Values } from '@ostler/kit/config.ts'
import type { AUTH_OPTIONS } from './options.ts'
import type { PasswordDesk } from './password-desk.ts'
import type { AuthPlugin } from './plugin.ts'
import { autoPlugin } from './plugins/auto.ts'
import { certificatePlugin } from './plugins/certificate.ts'
import { defaultPlugin } from './plugins/default.ts'
import { ldapPlugin } from './plugins/ldap.ts'
import { totpPlugin } from './plugins/totp.ts'
import type { SignInRecords } from './records.ts'

export type AuthValues = Values<typeof AUTH_OPTIONS>

/** What a plugin is made of. */
export interface PluginContext {
  /** The values of the tenant whose plugin it is. */
  readonly settings: AuthValues
  readonly records: SignInRecords
  readonly passwords: PasswordDesk
  readonly log: Log
}

/** The plugins that come with Ostler, by the word that stands in `l7r.auth.plugins`, in lower case. */
export const PLUGINS: Readonly<Record<string, (context: PluginContext) => AuthPlugin>> = {
  auto: autoPlugin,
  certificate: certificatePlugin,
  default: defaultPlugin,
  ldap: ldapPlugin,
  totp: totpPlugin,
}
