import type { AuthPlugin, SignInOrigin } from '../plugin.ts'
import { NOT_MINE } from '../plugin.ts'
import type { PluginContext } from '../registry.ts'

/**
 * The plugin `certificate`: a client certificate that the door has verified (`l7r.client.cert.require`, CA and CRL)
 * signs its holder in where no password is sent. A password that comes with a certificate must be its holder's.
 */
export function certificatePlugin({ settings }: PluginContext): AuthPlugin {
  const where = settings['l7r.auth.plugin.certificate.login']
  const loginIn = (certificate: NonNullable<SignInOrigin['certificate']>): string | undefined => {
    const name = where === 'commonname' ? certificate.commonName : (certificate.names[0] ?? '')
    const login = where === 'localpart' ? name.replace(/@[^@]*$/, '') : name
    return login === '' ? undefined : login
  }
  const known = (login: string): string =>
    settings['model.user.login.case-sensitive'] ? login : login.toLowerCase()
  return {
    name: 'certificate',
    authenticate: ({ certificate, login }) => {
      const holder = certificate === undefined ? undefined : loginIn(certificate)
      if (holder === undefined || known(holder) === login) return Promise.resolve(NOT_MINE)
      return Promise.resolve({ kind: 'reject', reason: 'the certificate belongs to somebody else' })
    },
    authenticateCertificate: (_, { certificate }) => {
      const holder = certificate === undefined ? undefined : loginIn(certificate)
      return Promise.resolve(holder === undefined ? NOT_MINE : { kind: 'accept', login: known(holder) })
    },
  }
}
