import type { DirectoryEntry } from './answers.ts'

/** Attributes that a sign-in reads; those of Active Directory stand beside those of everybody else. */
export const USER_ATTRIBUTES = [
  'uid',
  'uidNumber',
  'gidNumber',
  'homeDirectory',
  'sAMAccountName',
  'userAccountControl',
  'objectSid',
  'primaryGroupID',
] as const

type UserAttribute = (typeof USER_ATTRIBUTES)[number]

/** Of `userAccountControl`: the account is disabled. */
const ACCOUNT_DISABLED = 2
const MAX_NUMBER = 2 ** 31
const MAX_NAME = 256
const MAX_HOME = 1_024
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What an entry says about its user, as far as it can be used. */
export interface UserFacts {
  /** Her name in the directory: `uid`, else `sAMAccountName`. */
  readonly name: string | undefined
  readonly uid: string | undefined
  readonly gid: string | undefined
  readonly home: string | undefined
  readonly isDisabled: boolean
  /** Values of the attribute for groups, each a name or a DN. */
  readonly groups: readonly string[]
  /** In Active Directory the primary group is not among the others: its SID as text. */
  readonly primaryGroup: string | undefined
  /** Attributes that have a value that cannot be used. */
  readonly unusable: readonly string[]
}

/** @param typed of several names the one that she typed is hers. */
export function userFacts(entry: DirectoryEntry, typed: string, groupAttribute: string): UserFacts {
  const unusable: string[] = []
  const values = (attribute: string): string[] =>
    (entry.attributes.get(attribute.toLowerCase()) ?? []).flatMap((value) => textOf(value) ?? [])
  const usable = (attribute: UserAttribute, isUsable: (text: string) => boolean): string[] => {
    const good = values(attribute).filter(isUsable)
    if (good.length < (entry.attributes.get(attribute.toLowerCase())?.length ?? 0)) unusable.push(attribute)
    return good
  }
  const names = [...usable('uid', isName), ...usable('sAMAccountName', isName)]
  const name = names.find((one) => one.toLowerCase() === typed.toLowerCase()) ?? names[0]
  const control = values('userAccountControl')[0] ?? '0'
  return {
    name,
    uid: usable('uidNumber', isNumber)[0],
    gid: usable('gidNumber', isNumber)[0],
    home: usable('homeDirectory', isHome)[0],
    isDisabled: (Number(control) & ACCOUNT_DISABLED) !== 0,
    groups: groupAttribute === '' ? [] : values(groupAttribute),
    primaryGroup: primaryGroup(entry.attributes.get('objectsid')?.[0], values('primaryGroupID')[0]),
    unusable,
  }
}

/** The parameters of a session that the facts give. */
export function parametersOf(facts: UserFacts, setHome: boolean): Record<string, string> {
  const { name, uid, gid, home } = facts
  return Object.fromEntries(
    [
      ['qvd.vm.user.uid', uid],
      ['qvd.vm.user.gid', gid],
      ['qvd.vm.user.ldap.name', name],
      ['qvd.vm.user.ldap.home', home],
      ['qvd.vm.user.home', setHome ? home : undefined],
    ].filter((pair): pair is [string, string] => pair[1] !== undefined),
  )
}

/** Names of groups: the first value of those that are DNs, the others as they are; each once. */
export function groupNames(values: readonly string[]): string[] {
  return [...new Set(values.map(groupName).filter(isName))]
}

function groupName(value: string): string {
  // attribute=value up to the next part of the name; `\,` and `\2c` are characters of the value.
  const first = /^\s*[\w.-]+\s*=\s*((?:\\.|[^\\,+;])*)/su.exec(value)?.[1]
  if (first === undefined) return value.trim()
  return first.trim().replace(/(?:\\[0-9a-f]{2})+|\\(.)/gisu, (bytes, character: string | undefined) => {
    return character ?? Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8')
  })
}

/** The SID of the primary group: the user's own, with the last number replaced. */
function primaryGroup(sid: Buffer | undefined, id: string | undefined): string | undefined {
  const count = sid?.[1] ?? 0
  if (sid === undefined || id === undefined || !/^\d{1,10}$/.test(id)) return undefined
  if (sid[0] !== 1 || count < 1 || sid.length !== 8 + count * 4) return undefined
  const numbers = Array.from({ length: count - 1 }, (_, index) => sid.readUInt32LE(8 + index * 4))
  return ['S-1', sid.readUIntBE(2, 6), ...numbers, id].join('-')
}

function textOf(value: Buffer): string | undefined {
  try {
    return UTF_8.decode(value)
  } catch {
    return undefined
  }
}

function isName(text: string): boolean {
  return text !== '' && text.length <= MAX_NAME && !hasControl(text)
}

/** Zero would be root. */
function isNumber(text: string): boolean {
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) < MAX_NUMBER
}

function isHome(text: string): boolean {
  return text.startsWith('/') && text.length <= MAX_HOME && !hasControl(text)
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
