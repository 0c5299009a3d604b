import { Fault } from '@ostler/contract/fault.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientKey, ClientValues } from './config/options.ts'
import type { TrustSettings } from './trust.ts'

/** What OpenSSL calls a problem, and the key that lets a user look over it. Everything else is `allow_unknown_error`. */
const BY_PROBLEM: Readonly<Record<string, ClientKey>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'client.ssl.allow_untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'client.ssl.allow_untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'client.ssl.allow_untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'client.ssl.allow_untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'client.ssl.allow_untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'client.ssl.allow_bad_host',
  CERT_HAS_EXPIRED: 'client.ssl.allow_expired',
  CERT_NOT_YET_VALID: 'client.ssl.allow_not_yet_valid',
  CERT_REVOKED: 'client.ssl.allow_revoked',
}

/** Names the key that forbids to trust a certificate with this problem; `undefined`: the user may. */
export function barredBy(values: ClientValues, problem: string): ClientKey | undefined {
  if (values['client.client.ssl-errors'] === 'abort') return 'client.client.ssl-errors'
  const key = BY_PROBLEM[problem] ?? 'client.ssl.allow_unknown_error'
  return values[key] === true ? undefined : key
}

/**
 * The authorities and the certificate of one's own that the configuration names.
 * @param folder QVD's folder of authorities; what in it cannot be read is left out.
 * @throws Fault `client.setting` for a file that is named and cannot be read.
 */
export function credentialsOf(
  values: ClientValues,
  folder: string,
): Pick<TrustSettings, 'authorities' | 'identity'> {
  const named = values['client.ssl.ca_file']
  const authorities = [
    ...(named === undefined ? [] : [readNamed('client.ssl.ca_file', named)]),
    ...certificatesIn(folder),
  ]
  if (!values['client.ssl.use_cert']) return { authorities }
  const [cert, key] = (['client.ssl.cert_file', 'client.ssl.key_file'] as const).map((name) => {
    const path = values[name]
    if (path === undefined)
      throw new Fault('client.setting', { problems: `client.ssl.use_cert is 1, and ${name} is not set` })
    return readNamed(name, path)
  })
  return { authorities, identity: { cert: cert ?? '', key: key ?? '' } }
}

function readNamed(key: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const problems = `${key} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new Fault('client.setting', { problems }, { cause })
  }
}

function certificatesIn(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      try {
        const text = readFileSync(join(folder, name), 'utf8')
        return text.includes('-----BEGIN CERTIFICATE-----') ? [text] : []
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}
