import type { Log } from '@ostler/kit/log.ts'
import type { Accepted, Attempt, Verdict } from '../plugin.ts'
import type { DirectoryEntry } from './answers.ts'
import { groupNames, parametersOf, USER_ATTRIBUTES, type UserFacts, userFacts } from './entry.ts'
import { escapeInFilter, escapeInName, fill } from './escape.ts'
import type { Exchange, SearchFindings, SearchQuestion } from './exchange.ts'
import { INVALID_CREDENTIALS, refusalOf } from './refusal.ts'
import type { LdapSettings } from './settings.ts'
import { DirectoryTrouble, troubleOf } from './trouble.ts'

const SUCCESS = 0
const SIZE_LIMIT_EXCEEDED = 4
const NO_SUCH_OBJECT = 32
/** One is the user, two are too many; nobody needs the rest. */
const ENOUGH_USERS = 2
const GROUPS_AT_ONCE = 200
const MAX_GROUPS = 10_000
/** No attributes: the name of the entry is enough. */
const NAME_ONLY = ['1.1']

type Question = Pick<Attempt, 'login' | 'password'>

/**
 * Asks one directory who somebody is, over a connection that the caller closes.
 * @throws DirectoryTrouble when it could not tell, or could not be asked.
 */
export async function askDirectory(
  exchange: Exchange,
  settings: LdapSettings,
  question: Question,
  log: Log,
): Promise<Verdict> {
  if (settings.bindPattern !== undefined) {
    const verdict = await bindDirectly(exchange, settings.bindPattern, question)
    if (verdict.kind !== 'abstain' || settings.users === undefined) return verdict
  }
  return await new Reader(exchange, settings, question, log).judge()
}

/** An unknown user and a wrong password look the same here. */
async function bindDirectly(
  exchange: Exchange,
  pattern: string,
  { login, password }: Question,
): Promise<Verdict> {
  const result = await exchange.bind(fill(pattern, { u: login }, escapeInName), password)
  if (result.code === SUCCESS) return { kind: 'accept' }
  const refusal = refusalOf(result)
  if (refusal === undefined) throw troubleOf('a bind by auth.ldap.userbindpattern', result)
  if (refusal.kind === 'shut') return { kind: 'reject', reason: refusal.reason }
  return { kind: 'abstain', reason: 'nobody of that name, or another password' }
}

/** Searches a user, and lets her bind by the name of her entry. */
class Reader {
  readonly #exchange: Exchange
  readonly #settings: LdapSettings
  readonly #question: Question
  readonly #log: Log

  constructor(exchange: Exchange, settings: LdapSettings, question: Question, log: Log) {
    this.#exchange = exchange
    this.#settings = settings
    this.#question = question
    this.#log = log
  }

  async judge(): Promise<Verdict> {
    const closed = await this.#bindAsAccount()
    if (closed !== undefined) return closed
    const found = await this.#findUser()
    if ('kind' in found) return found
    const facts = userFacts(found, this.#question.login, this.#settings.groupAttribute)
    // Before her own bind: afterwards we are she, and may see less.
    const groups = await this.#groupsOf(found, facts)
    const result = await this.#exchange.bind(found.dn, this.#question.password)
    if (result.code === SUCCESS) return this.#accept(facts, groups, {})
    const { racfAllow } = this.#settings
    if (result.code === INVALID_CREDENTIALS && racfAllow?.test(result.text) === true)
      return this.#accept(facts, groups, { 'qvd.auth.ldap.racf_detailed_error': result.text })
    const refusal = refusalOf(result)
    if (refusal === undefined) throw troubleOf('the bind of the user', result)
    return { kind: 'reject', reason: refusal.kind === 'shut' ? refusal.reason : 'wrong password' }
  }

  /** @returns a verdict when the user cannot even search. */
  async #bindAsAccount(): Promise<Verdict | undefined> {
    const { account } = this.#settings
    if (account === undefined) return undefined
    const { login, password } = this.#question
    const name = fill(account.name, { u: login }, escapeInName)
    const result = await this.#exchange.bind(name, account.password ?? password)
    if (result.code === SUCCESS) return undefined
    const refusal = refusalOf(result)
    const isUser = account.password === undefined || name !== account.name
    if (refusal === undefined || !isUser)
      throw troubleOf('the bind as auth.ldap.binddn', result, 'see auth.ldap.binddn and auth.ldap.bindpass')
    if (refusal.kind === 'shut') return { kind: 'reject', reason: refusal.reason }
    return { kind: 'abstain', reason: 'nobody of that name, or another password' }
  }

  async #findUser(): Promise<DirectoryEntry | Verdict> {
    const { users, groupAttribute, deref } = this.#settings
    if (users === undefined) throw new Error('users are searched only where a base says so')
    const { base, scope } = users
    const { entries, count, result } = await this.#search('auth.ldap.filter', {
      base,
      scope,
      deref,
      filter: fill(users.filter, { u: this.#question.login }, escapeInFilter),
      attributes: groupAttribute === '' ? USER_ATTRIBUTES : [...USER_ATTRIBUTES, groupAttribute],
      sizeLimit: ENOUGH_USERS,
    })
    const [entry] = entries
    if (result.code === SIZE_LIMIT_EXCEEDED && count === 0) throw troubleOf('the search of the user', result)
    if (entry === undefined) return { kind: 'abstain', reason: 'nobody of that name' }
    // A directory with a limit of one says so by its code alone.
    if (count > 1 || result.code === SIZE_LIMIT_EXCEEDED)
      return { kind: 'reject', reason: 'ambiguous: several entries match auth.ldap.filter' }
    if (entry.dn === '')
      throw new DirectoryTrouble('answered with an entry without a name', { isDown: false })
    return entry
  }

  async #groupsOf(entry: DirectoryEntry, { groups, primaryGroup }: UserFacts): Promise<string[]> {
    const found: string[] = [...groups]
    const { groups: search, deref } = this.#settings
    if (search === undefined) return groupNames(found)
    const values = { u: this.#question.login, d: entry.dn, s: primaryGroup ?? '' }
    const filter = fill(search.filter, values, escapeInFilter)
    let cookie: Buffer = Buffer.alloc(0)
    do {
      const { entries, result } = await this.#search('auth.ldap.group.filter', {
        base: search.base,
        scope: 'sub',
        deref,
        filter,
        attributes: NAME_ONLY,
        sizeLimit: 0,
        page: { size: GROUPS_AT_ONCE, cookie },
      })
      // Some groups only would be a wrong answer to whoever asks for the others.
      if (result.code !== SUCCESS) throw troubleOf('the search of groups', result)
      found.push(...entries.map(({ dn }) => dn))
      if (found.length > MAX_GROUPS)
        throw new DirectoryTrouble(`knows more than ${MAX_GROUPS} groups of one user`, { isDown: false })
      cookie = result.cookie
    } while (cookie.length > 0)
    return groupNames(found)
  }

  async #search(key: string, search: Omit<SearchQuestion, 'timeLimit'>): Promise<SearchFindings> {
    const findings = await this.#send(key, search)
    const { result, references } = findings
    if (references.length > 0)
      this.#log.debug('referrals are not followed', { count: references.length, first: references[0] })
    if (result.code === NO_SUCH_OBJECT)
      throw troubleOf('a search', result, `${search.base} is not there, or may not be seen`)
    if (result.code !== SUCCESS && result.code !== SIZE_LIMIT_EXCEEDED) throw troubleOf('a search', result)
    return findings
  }

  async #send(key: string, search: Omit<SearchQuestion, 'timeLimit'>): Promise<SearchFindings> {
    try {
      const timeLimit = Math.ceil(this.#settings.timeoutMs / 1_000)
      return await this.#exchange.search({ ...search, timeLimit })
    } catch (cause) {
      if (cause instanceof DirectoryTrouble) throw cause
      throw new DirectoryTrouble(`cannot be asked: ${key} is no filter`, { isDown: false, cause })
    }
  }

  #accept(facts: UserFacts, groups: readonly string[], more: Record<string, string>): Verdict {
    const { setHome, normalize, caseSensitive } = this.#settings
    if (facts.isDisabled) return { kind: 'reject', reason: 'the account is disabled' }
    if (facts.unusable.length > 0)
      this.#log.warn('an entry has values that cannot be used', { attributes: facts.unusable.join(' ') })
    const accepted: Accepted = {
      kind: 'accept',
      parameters: { ...parametersOf(facts, setHome), ...more },
      groups,
    }
    if (!normalize || facts.name === undefined) return accepted
    return { ...accepted, login: caseSensitive ? facts.name : facts.name.toLowerCase() }
  }
}
