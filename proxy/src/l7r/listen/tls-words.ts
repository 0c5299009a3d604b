import { createSecureContext, type SecureVersion } from 'node:tls'

/** The versions of TLS that are spoken. */
export interface TlsVersions {
  readonly min: SecureVersion
  readonly max: SecureVersion
  /** Words that ask for something that cannot be had. */
  readonly ignored: readonly string[]
}

const ALL: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
/** Versions that nobody should speak any more: to forbid them changes nothing. */
const OLD = /^(SSLv2|SSLv3|TLSv1|TLSv1[._]?[01])$/i
const ANY = /^(SSLv23|SSLv2\/3|TLS)$/i

/**
 * Reads QVD's `SSL_version`, words such as `TLSv1_2:!SSLv3` (compatibility page 1.1).
 * @throws Error whose message completes "KEY …" when nothing is left to speak.
 */
export function parseTlsVersions(text: string): TlsVersions {
  const wanted = new Set<SecureVersion>()
  const refused = new Set<SecureVersion>()
  const ignored: string[] = []
  for (const word of text.split(/[:,\s]+/).filter((part) => part !== '')) {
    const name = word.replace(/^!/, '')
    const version = /^TLSv1[._]?([23])$/i.exec(name)?.[1]
    const set = word.startsWith('!') ? refused : wanted
    if (version !== undefined) set.add(`TLSv1.${version}` as SecureVersion)
    else if (ANY.test(name) && set === wanted) for (const each of ALL) set.add(each)
    else if (!OLD.test(name) || set === wanted) ignored.push(word)
  }
  const spoken = ALL.filter((each) => (wanted.size === 0 || wanted.has(each)) && !refused.has(each))
  const [min] = spoken
  const max = spoken.at(-1)
  if (min === undefined || max === undefined || (wanted.size === 0 && ignored.some((word) => OLD.test(word))))
    throw new Error('leaves neither TLS 1.2 nor TLS 1.3, and others are not spoken')
  return { min, max, ignored }
}

/** The suites of TLS 1.3, which a list in the old words does not name. */
const NEW_SUITES = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']

/**
 * Reads QVD's `SSL_cipher_list`, a list in OpenSSL's words; empty: Node's own.
 * @throws Error whose message completes "KEY …".
 */
export function parseCiphers(text: string): {
  readonly list: string | undefined
  readonly ignored: readonly string[]
} {
  const words = text.split(/[:,\s]+/).filter((part) => part !== '')
  if (words.length === 0) return { list: undefined, ignored: [] }
  const suites = words.some((word) => word.startsWith('TLS_')) ? [] : NEW_SUITES
  const list = [...suites, ...words].join(':')
  if (!isUnderstood(list) || !isUnderstood(words.filter((word) => !word.startsWith('TLS_')).join(':')))
    throw new Error('is no list of ciphers that OpenSSL understands')
  // What is forbidden and does not exist is as it should be.
  return { list, ignored: words.filter((word) => /^[A-Za-z]/.test(word) && !isUnderstood(word)) }
}

function isUnderstood(ciphers: string): boolean {
  if (ciphers === '') return true
  try {
    createSecureContext({ ciphers })
    return true
  } catch {
    return false
  }
}
