import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../http/request.ts'

/** What the door thinks of a client that was asked for a certificate. */
export type ClientVerdict =
  | { readonly kind: 'certificate'; readonly certificate: ClientCertificate }
  /** She has none, or one of an authority that is none of ours. */
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }

/** Why our own authority's certificate is refused, in words. */
const REASONS: Readonly<Record<string, string>> = {
  CERT_REVOKED: 'it is revoked',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CRL_HAS_EXPIRED: 'the list of revoked certificates has expired: put a new one at path.l7r.ssl.crl',
  CRL_NOT_YET_VALID: 'the list of revoked certificates is not valid yet: see path.l7r.ssl.crl',
  CRL_SIGNATURE_FAILURE:
    'the list of revoked certificates is not signed by its authority: see path.l7r.ssl.crl',
  UNABLE_TO_GET_CRL: 'path.l7r.ssl.crl has no list of its authority',
  INVALID_PURPOSE: 'it is not meant for clients',
}

/** Looks at what a client presented in a handshake that asked for it. */
export function judgeClient(socket: TLSSocket): ClientVerdict {
  const shown = socket.getPeerX509Certificate()
  if (shown === undefined) return { kind: 'none', reason: 'no certificate' }
  if (!socket.authorized) {
    const code = String(socket.authorizationError)
    const reason = REASONS[code]
    return reason === undefined ? { kind: 'none', reason: code } : { kind: 'refused', reason }
  }
  const certificate: ClientCertificate = {
    commonName: commonNameOf(socket.getPeerCertificate()),
    names: namesOf(shown.subjectAltName ?? ''),
    fingerprint: shown.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
  return { kind: 'certificate', certificate }
}

/** Of several common names nobody knows which one is meant. */
function commonNameOf({ subject }: PeerCertificate): string {
  const name: unknown = (subject as PeerCertificate['subject'] | undefined)?.CN
  return typeof name === 'string' ? name : ''
}

/**
 * Mail addresses and user principal names of Node's text of the alternative names: `email:ann@example.org, DNS:x`.
 * A value with a comma or a quote in it comes as a JSON string, so that no name can pretend to be two.
 */
export function namesOf(alternatives: string): string[] {
  const entries = alternatives.matchAll(/(?:^|, )([\w ]+(?::UPN)?):("(?:[^"\\]|\\.)*"|[^,]*)/gy)
  return [...entries]
    .filter(([, kind]) => kind === 'email' || kind === 'othername:UPN')
    .map(([, , value = '']) => (value.startsWith('"') ? (JSON.parse(value) as string) : value))
}
