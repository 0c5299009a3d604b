import { Fault } from '@ostler/contract/fault.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import type { AuthValues } from '../registry.ts'
import { tidyFilter } from './escape.ts'

export interface DirectoryAddress {
  /** For logs: it holds nothing that is secret. */
  readonly uri: string
  readonly host: string
  readonly port: number
  /** TLS from the first byte. */
  readonly tls: boolean
}

/** Where and how entries are searched. */
interface SearchSettings {
  readonly base: string
  readonly filter: string
}

/** The keys `auth.ldap.*`, checked. */
export interface LdapSettings {
  readonly directories: readonly DirectoryAddress[]
  /** Milliseconds that one directory may take for a sign-in. */
  readonly timeoutMs: number
  readonly startTls: boolean
  readonly caFile: string
  /** The name to bind as without a search. */
  readonly bindPattern: string | undefined
  /** `undefined` when the pattern alone decides. */
  readonly users: (SearchSettings & { readonly scope: 'base' | 'one' | 'sub' }) | undefined
  /** `undefined` when the directory is not searched for groups. */
  readonly groups: SearchSettings | undefined
  readonly deref: 'never' | 'search' | 'find' | 'always'
  /** Who searches; `undefined`: nobody in particular. Without a password it is the user's. */
  readonly account: { readonly name: string; readonly password: Secret | undefined } | undefined
  readonly groupAttribute: string
  readonly racfAllow: RegExp | undefined
  readonly normalize: boolean
  readonly setHome: boolean
  readonly caseSensitive: boolean
}

/** @throws Fault `auth.unavailable` naming the key that is wrong, never its value when that is secret. */
export function ldapSettings(values: AuthValues): LdapSettings {
  const directories = values['auth.ldap.host']
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map(addressOf)
  if (directories.length === 0) throw unusable('auth.ldap.host is not set')
  const bindPattern = values['auth.ldap.userbindpattern'].trim()
  const base = values['auth.ldap.base'].trim()
  const account = values['auth.ldap.binddn'].trim()
  const password = values['auth.ldap.bindpass']
  const racf = values['auth.ldap.racf_allowregex']
  if (bindPattern !== '' && !bindPattern.includes('%u'))
    throw unusable('auth.ldap.userbindpattern has no %u: everybody would be the same')
  const filter = tidyFilter(values['auth.ldap.filter'])
  if (!filter.includes('%u')) throw unusable('auth.ldap.filter has no %u: everybody would be the same')
  const groupBase = values['auth.ldap.group.base'].trim()
  return {
    directories,
    timeoutMs: values['auth.ldap.timeout'] * 1_000,
    startTls: values['auth.ldap.starttls'],
    caFile: values['auth.ldap.ca'],
    bindPattern: bindPattern === '' ? undefined : bindPattern,
    users: bindPattern !== '' && base === '' ? undefined : { base, filter, scope: values['auth.ldap.scope'] },
    groups:
      groupBase === ''
        ? undefined
        : { base: groupBase, filter: tidyFilter(values['auth.ldap.group.filter']) },
    deref: values['auth.ldap.deref'],
    account:
      account === ''
        ? undefined
        : { name: account, password: password.reveal() === '' ? undefined : password },
    groupAttribute: values['auth.ldap.groups'].trim(),
    racfAllow: racf === '' ? undefined : regexOf(racf),
    normalize: values['auth.ldap.name.normalize'] || values['auth.ldap.normalize.name'],
    setHome: values['auth.ldap.home.set'],
    caseSensitive: values['model.user.login.case-sensitive'],
  }
}

/** QVD takes bare host names too. */
function addressOf(word: string): DirectoryAddress {
  const uri = word.includes('://') ? word : `ldap://${word}`
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  const tls = url?.protocol === 'ldaps:'
  const rest = [url?.username, url?.password, url?.search, url?.hash].join('')
  if (url === undefined || !(tls || url.protocol === 'ldap:') || url.hostname === '' || rest !== '')
    throw unusable(`auth.ldap.host holds an address that is none, such as ldaps://directory.example`)
  return {
    uri: `${url.protocol}//${url.host}`,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (tls ? 636 : 389) : Number(url.port),
    tls,
  }
}

function regexOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch {
    throw unusable('auth.ldap.racf_allowregex is no regular expression')
  }
}

function unusable(problem: string): Fault {
  return new Fault('auth.unavailable', { reason: problem })
}
