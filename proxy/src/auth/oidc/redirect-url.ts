import { Fault } from '@ostler/contract/fault.ts'
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { CALLBACK_PATH } from './settings.ts'

/**
 * Where the provider shall send a user back when `redirect_url` is not set: the host that she asked for, if our own
 * certificate names it. A header that anybody can write must not choose where sign-ins are sent.
 *
 * @param host the request's `Host`, with its port.
 * @param certificate of the door, PEM; `undefined` where a balancer has it.
 * @throws Fault `auth.unavailable` naming the key to set.
 */
export function redirectUrlFor(host: string | undefined, certificate: string | undefined): URL {
  const url =
    host === undefined || !/^[\w.:[\]-]+$/.test(host) ? undefined : `https://${host}${CALLBACK_PATH}`
  if (
    url !== undefined &&
    certificate !== undefined &&
    URL.canParse(url) &&
    names(new X509Certificate(certificate), new URL(url))
  )
    return new URL(url)
  throw new Fault('auth.unavailable', {
    reason: 'l7r.auth.oidc.redirect_url must be set: the certificate of this server does not name the host',
  })
}

function names(certificate: X509Certificate, { hostname }: URL): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  const found =
    isIP(bare) === 0 ? certificate.checkHost(bare, { wildcards: false }) : certificate.checkIP(bare)
  return found !== undefined
}
