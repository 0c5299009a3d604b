import {
  ADMIN_OBJECTS,
  type AdminObject,
  type Blockable,
  CONFIGURATION_PATH,
  type Expiring,
  type KeyValue,
  type PropertyOwner,
} from '@ostler/contract/admin-api.ts'
import type { ConfigurationEntry } from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { JOB_ORDERS, type JobOrder } from '@ostler/contract/jobs.ts'
import type { ApiClient } from './api-client.ts'
import { backUpNow, listBackups } from './backup.ts'
import { adoptHome, deleteWithHomes, listHomes, purgeHome, restoreHome, trashHome } from './homes.ts'
import { printExplanation } from './explanation.ts'
import { listJobs, orderJob, previewRollOut, runJob, showJob } from './jobs.ts'
import { listNotices } from './notices.ts'
import { examineConfiguration, importConfiguration, listConfiguration, printChange } from './configuration.ts'
import { certificateOfDoors } from './ssl.ts'
import { listOrphans, purgeOrphans } from './storage.ts'
import { table } from './table.ts'

export interface Console {
  /** One line on standard output. */
  print(line: string): void
  /** Everything on standard input. */
  readInput(): Promise<string>
}

type Action = (words: readonly string[], api: ApiClient, out: Console) => Promise<void>

/** What can be done to what, in QVD's words where it has them (compatibility page 9.1). */
const ACTIONS: Readonly<Record<string, Readonly<Record<string, Action>>>> = {
  tenant: { ...listed('tenant'), ...added('tenant'), ...blockable('tenant'), ...changedTenant() },
  group: { ...listed('group'), ...added('group'), ...membership() },
  user: {
    ...listed('user'),
    ...added('user'),
    ...blockable('user'),
    passwd: setPassword,
    del: deleteOne('user'),
    ...withProperties('user'),
  },
  host: { ...listed('host'), ...added('host'), ...blockable('host') },
  osf: {
    ...listed('osf'),
    ...added('osf'),
    ...withProperties('osf'),
    del: deleteOne('osf'),
    edit: editFlavour,
  },
  di: {
    ...listed('di'),
    ...blockable('di'),
    ...withProperties('di'),
    add: addImage,
    tag: tagImage,
    untag: untagImage,
    del: deleteImage,
    'roll-out': async (words, api, out) =>
      await previewRollOut(await readPairs(words, out), api, (line) => out.print(line)),
  },
  job: jobActions(),
  vm: {
    ...listed('vm'),
    ...added('vm'),
    ...blockable('vm'),
    ...withProperties('vm'),
    start: (words, api, out) => wish('start', 'run', words, api, out),
    stop: (words, api, out) => wish('stop', 'stop', words, api, out),
    reset: (words, api, out) => wish('reset', 'reset', words, api, out),
    edit: editDesktop,
    del: deleteOne('vm'),
    disconnect,
    disconnect_user: disconnect,
    explain: async (words, api, out) => {
      const { name } = filter(words, ['name'])
      printExplanation(await api.get(`/v1/desktops/${encodeURIComponent(name)}/explain`), (line) =>
        out.print(line),
      )
    },
  },
  policy: { ...listed('policy'), ...added('policy'), del: deleteRule },
  home: {
    list: async (words, api, out) => await listHomes(nothingIn(words, api), (line) => out.print(line)),
    adopt: async (words, api, out) =>
      await adoptHome(await readPairs(words, out), api, (line) => out.print(line)),
    restore: async (words, api, out) => {
      const { id } = filter(words.slice(0, 2), ['id'])
      await restoreHome(id, await readPairs(words.slice(2), out), api, (line) => out.print(line))
    },
    del: async (words, api, out) => await trashHome(filter(words, ['id']).id, api, (line) => out.print(line)),
    purge: async (words, api, out) =>
      await purgeHome(filter(words, ['id']).id, api, (line) => out.print(line)),
  },
  backup: {
    now: async (words, api, out) => await backUpNow(nothingIn(words, api), (line) => out.print(line)),
    list: async (words, api, out) => await listBackups(nothingIn(words, api), (line) => out.print(line)),
  },
  storage: {
    orphans: async (words, api, out) => await listOrphans(nothingIn(words, api), (line) => out.print(line)),
    purge: async (words, api, out) => await purgeOrphans(words, api, (line) => out.print(line)),
  },
  notice: {
    list: async (words, api, out) => await listNotices(nothingIn(words, api), (line) => out.print(line)),
  },
  config: {
    get: getConfiguration,
    set: setConfiguration,
    del: deleteConfiguration,
    list: listConfiguration,
    doctor: examineConfiguration,
    import: importConfiguration,
    ssl: certificateOfDoors,
  },
}

/**
 * Runs one command in QVD's form: `qa OBJECT ACTION [-f key=value,…] [key=value …]`. One value may be `-`: then it is
 * read from standard input, without the end of its line, and stands in no list of processes.
 * @throws Fault `client.choice` for a command that is none, or what the api says.
 */
export async function runCommand(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const [object = '', action = '', ...rest] = words
  const actions = Object.hasOwn(ACTIONS, object) ? ACTIONS[object] : undefined
  if (actions === undefined) throw choice(`unknown object ${object || '(none)'}`, Object.keys(ACTIONS))
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (act === undefined)
    throw choice(`unknown action ${action || '(none)'} for ${object}`, Object.keys(actions))
  await act(rest, api, out)
}

// --- everything ---

function listed(object: AdminObject): Record<'list', Action> {
  return {
    list: async (words, api, out) => {
      if (words.length > 0) throw choice(`list takes nothing, not ${words.join(' ')}`, ['list'])
      const rows = (await api.get(ADMIN_OBJECTS[object].path)) as Record<string, unknown>[]
      for (const line of table(rows)) out.print(line)
    },
  }
}

function added(object: AdminObject): Record<'add', Action> {
  return {
    add: async (words, api, out) => {
      const body = await readPairs(words, out)
      const answer = (await api.post(ADMIN_OBJECTS[object].path, body)) as { id: number }
      out.print(`${object} added with id ${answer.id}`)
    },
  }
}

function blockable(object: Blockable): Record<'block' | 'unblock', Action> {
  const act =
    (blocked: boolean): Action =>
    async (words, api, out) => {
      const { name, tenant } =
        object === 'user'
          ? renamed(filter(words, ['login'], ['tenant']))
          : { ...filter(words, ['name']), tenant: undefined }
      const body = { blocked, ...tenantOf({ tenant }) }
      await api.post(`${ADMIN_OBJECTS[object].path}/${encodeURIComponent(name)}/blocked`, body)
      out.print(`${object} ${name} ${blocked ? 'blocked' : 'unblocked'}`)
    }
  return { block: act(true), unblock: act(false) }
}

function deleteOne(object: 'vm' | 'user' | 'osf'): Action {
  return async (words, api, out) => {
    const named = object === 'user' ? renamed(filter(words, ['login'], ['tenant'])) : filter(words, ['name'])
    await deleteWithHomes(object, named, api, (line) => out.print(line))
  }
}

function renamed({ login, tenant }: { login: string; tenant?: string }) {
  return { name: login, tenant }
}

/** Cuts the stream of who sits at a desktop; QVD's `qa4` calls it disconnect_user. */
async function disconnect(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { name } = filter(words, ['name'])
  const { was } = (await api.post(`/v1/desktops/${encodeURIComponent(name)}/disconnect`, {})) as {
    was: string
  }
  out.print(`disconnected: ${was}`)
}

async function wish(
  word: string,
  kind: 'run' | 'stop' | 'reset',
  words: readonly string[],
  api: ApiClient,
  out: Console,
): Promise<void> {
  const { name } = filter(words, ['name'])
  await api.post(`/v1/desktops/${encodeURIComponent(name)}/wishes`, { kind })
  out.print(`${word} asked for`)
}

async function deleteRule(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { name } = filter(words, ['name'])
  await api.delete(`${ADMIN_OBJECTS.policy.path}/${encodeURIComponent(name)}`)
  out.print(`policy ${name} deleted`)
}

// --- tenants, groups, flavours ---

function changedTenant(): Record<'edit' | 'del', Action> {
  const pathOf = (name: string): string => `${ADMIN_OBJECTS.tenant.path}/${encodeURIComponent(name)}`
  return {
    edit: async (words, api, out) => {
      const { name } = filter(words.slice(0, 2), ['name'])
      await api.patch(pathOf(name), await readPairs(words.slice(2), out))
      out.print('Edited 1 tenants.')
    },
    del: async (words, api, out) => {
      const { name } = filter(words, ['name'])
      await api.delete(pathOf(name))
      out.print(`tenant ${name} deleted`)
    },
  }
}

function membership(): Record<'join' | 'leave' | 'del', Action> {
  const pathOf = (name: string): string => `${ADMIN_OBJECTS.group.path}/${encodeURIComponent(name)}`
  const act =
    (word: 'join' | 'leave'): Action =>
    async (words, api, out) => {
      const { name, tenant } = filter(words.slice(0, 2), ['name'], ['tenant'])
      await api.post(`${pathOf(name)}/${word}`, {
        ...(await readPairs(words.slice(2), out)),
        ...tenantOf({ tenant }),
      })
      out.print(`${word}: done; it counts from the next sign-in on`)
    }
  return {
    join: act('join'),
    leave: act('leave'),
    del: async (words, api, out) => {
      const { name, tenant } = filter(words, ['name'], ['tenant'])
      await api.delete(`${pathOf(name)}${query([], tenant)}`)
      out.print(`group ${name} deleted`)
    },
  }
}

/** `qa osf edit -f name=NAME max_desktops=… max_per_user=…`; an empty number takes the limit away. */
async function editFlavour(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { name } = filter(words.slice(0, 2), ['name'])
  const path = `${ADMIN_OBJECTS.osf.path}/${encodeURIComponent(name)}`
  const changed = await readPairs(words.slice(2), out)
  await api.patch(path, changed)
  const homes = 'user_storage_size' in changed ? ' Homes grow at the next start of their desktops.' : ''
  out.print(`Edited 1 OSFs.${homes}`)
}

// --- disk images ---

async function addImage(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const answer = (await api.post(ADMIN_OBJECTS.di.path, await readPairs(words, out))) as {
    id: number
    version: string
    expiring: Expiring
  }
  printExpiring(answer.expiring, out)
  out.print(`di added with id ${answer.id}, version ${answer.version}`)
}

async function tagImage(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { di_id, ...body } = await readPairs(words, out)
  if (di_id === undefined) throw choice('which image?', ['di_id=NUMBER tag=NAME'])
  const answer = await api.post(`${imagePath(di_id)}/tags`, body)
  printExpiring((answer as { expiring: Expiring }).expiring, out)
  out.print('DI tagged')
}

async function untagImage(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { di_id, tag, ...more } = await readPairs(words, out)
  if (di_id === undefined || tag === undefined || Object.keys(more).length > 0)
    throw choice('which tag of which image?', ['di_id=NUMBER tag=NAME'])
  await api.delete(`${imagePath(di_id)}/tags/${encodeURIComponent(tag)}`)
  out.print('DI untagged')
}

async function deleteImage(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { id } = filter(words, ['id'])
  await api.delete(imagePath(id))
  out.print(`di ${id} deleted; its file was left where it is`)
}

/** `qa vm edit -f name=NAME di_tag=… expire-soft=… expire-hard=…` */
async function editDesktop(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { name } = filter(words.slice(0, 2), ['name'])
  const body = await readPairs(words.slice(2), out)
  const answer = await api.patch(`${ADMIN_OBJECTS.vm.path}/${encodeURIComponent(name)}`, body)
  printExpiring((answer as { expiring: Expiring }).expiring, out)
  out.print('Edited 1 VMs.')
}

function imagePath(id: string): string {
  return `${ADMIN_OBJECTS.di.path}/${encodeURIComponent(id)}`
}

/** In the words of QVD's manual. */
function printExpiring({ count, soft, hard }: Expiring, out: Console): void {
  if (count === 0) return
  out.print(`${count} VM have had their expiration dates set (${soft ?? 'undef'}, ${hard ?? 'undef'})!`)
}

// --- jobs ---

/** Each takes `-f id=NUMBER`; with `--watch` it goes on printing until the job rests. */
function jobActions(): Record<string, Action> {
  const parted = (words: readonly string[]): { watched: boolean; rest: readonly string[] } => ({
    watched: words.includes('--watch'),
    rest: words.filter((word) => word !== '--watch'),
  })
  const ordered =
    (order: JobOrder): Action =>
    async (words, api, out) => {
      const { watched, rest } = parted(words)
      await orderJob(order, filter(rest, ['id']).id, api, (line) => out.print(line), watched)
    }
  return {
    list: async (words, api, out) => await listJobs(nothingIn(words, api), (line) => out.print(line)),
    show: async (words, api, out) => {
      const { watched, rest } = parted(words)
      await showJob(filter(rest, ['id']).id, api, (line) => out.print(line), watched)
    },
    run: async (words, api, out) => {
      const { watched, rest } = parted(words)
      const { id } = filter(rest.slice(0, 2), ['id'])
      const { token, ...more } = await readPairs(rest.slice(2), out)
      if (token === undefined || Object.keys(more).length > 0)
        throw choice('which preview?', ['-f id=NUMBER token=TOKEN'])
      await runJob(id, token, api, (line) => out.print(line), watched)
    },
    ...Object.fromEntries((Object.keys(JOB_ORDERS) as JobOrder[]).map((order) => [order, ordered(order)])),
  }
}

// --- one user ---

/** `qa user passwd user=LOGIN`: the new password comes from standard input. */
async function setPassword(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { user, tenant, ...more } = await readPairs(words, out)
  if (user === undefined || Object.keys(more).length > 0)
    throw choice('whose password?', ['user=LOGIN [tenant=NAME]'])
  const password = await readValue(out)
  await api.post(`${userPath(user)}/password`, { password, ...tenantOf({ tenant }) })
  out.print(`password of ${user} set`)
}

// --- properties ---

/** Prints, sets and removes the properties of what `-f` names: a user by her login and tenant, all else by its name. */
function withProperties(object: PropertyOwner): Record<'propget' | 'propset' | 'propdel', Action> {
  const named = (words: readonly string[]): { name: string; tenant?: string | undefined; path: string } => {
    const found =
      object === 'user'
        ? renamed(filter(words.slice(0, 2), ['login'], ['tenant']))
        : filter(words.slice(0, 2), ['name'])
    return { ...found, path: `${ADMIN_OBJECTS[object].path}/${encodeURIComponent(found.name)}/properties` }
  }
  return {
    propget: async (words, api, out) => {
      const { name, tenant, path } = named(words)
      const found = (await api.get(`${path}${query(words.slice(2), tenant)}`)) as KeyValue[]
      for (const { key, value } of found) out.print(`${name}\t${key}=${value}`)
    },
    propset: async (words, api, out) => {
      const { name, tenant, path } = named(words)
      const set = await readPairs(words.slice(2), out)
      if (Object.keys(set).length === 0) throw choice('which properties?', ['KEY=VALUE …'])
      await api.post(path, { set, ...tenantOf({ tenant }) })
      out.print(`${Object.keys(set).length} properties of ${name} set.`)
    },
    propdel: async (words, api, out) => {
      const { name, tenant, path } = named(words)
      const { count } = (await api.delete(`${path}${query(requireKeys(words.slice(2)), tenant)}`)) as Count
      out.print(`${count} properties of ${name} deleted.`)
    },
  }
}

// --- configuration ---

async function getConfiguration(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const withOrigin = words.includes('--origin')
  const { keys, tenant } = splitTenant(words.filter((word) => word !== '--origin'))
  const found = (await api.get(`${CONFIGURATION_PATH}${query(keys, tenant)}`)) as ConfigurationEntry[]
  for (const { key, value, origin } of found) out.print(`${key}=${value}${withOrigin ? `\t${origin}` : ''}`)
}

async function setConfiguration(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { tenant, ...set } = await readPairs(words, out)
  if (Object.keys(set).length === 0) throw choice('which keys?', ['KEY=VALUE … [tenant=NAME]'])
  const change = await api.post(CONFIGURATION_PATH, { set, ...tenantOf({ tenant }) })
  out.print(`${Object.keys(set).length} config entries set.`)
  printChange(change, out)
}

async function deleteConfiguration(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { keys, tenant } = splitTenant(words)
  const change = await api.delete(`${CONFIGURATION_PATH}${query(requireKeys(keys), tenant)}`)
  out.print(`${(change as Count).count} config entries deleted.`)
  printChange(change, out)
}

// --- words ---

/** The api, for a command that takes no words. */
function nothingIn(words: readonly string[], api: ApiClient): ApiClient {
  if (words.length > 0) throw choice(`it takes nothing, not ${words.join(' ')}`, ['no more words'])
  return api
}

interface Count {
  readonly count: number
}

function userPath(login: string): string {
  return `${ADMIN_OBJECTS.user.path}/${encodeURIComponent(login)}`
}

function query(keys: readonly string[], tenant: string | undefined): string {
  const pairs = [...keys.map((key) => ['key', key]), ...(tenant === undefined ? [] : [['tenant', tenant]])]
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

function tenantOf({ tenant }: { readonly tenant?: string | undefined }): { tenant?: string } {
  return tenant === undefined ? {} : { tenant }
}

function requireKeys(keys: readonly string[]): readonly string[] {
  if (keys.length === 0) throw choice('which keys?', ['KEY …'])
  return keys
}

/** Keys, and among them perhaps whose they are. */
function splitTenant(words: readonly string[]): { keys: readonly string[]; tenant: string | undefined } {
  const isTenant = (word: string): boolean => word.startsWith('tenant=')
  const strange = words.find((word) => word.includes('=') && !isTenant(word))
  if (strange !== undefined) throw choice(`${strange} is no key`, ['KEY … [tenant=NAME]'])
  return {
    keys: words.filter((word) => !isTenant(word)),
    tenant: words.find(isTenant)?.slice('tenant='.length),
  }
}

/** Reads `key=value` words; a value of `-` comes from standard input. */
async function readPairs(words: readonly string[], out: Console): Promise<Record<string, string>> {
  const pairs = parsePairs(words)
  const [first, ...more] = Object.keys(pairs).filter((key) => pairs[key] === '-')
  if (more.length > 0) throw choice('only one value can come from standard input', ['one -'])
  if (first !== undefined) pairs[first] = await readValue(out)
  return pairs
}

async function readValue(out: Console): Promise<string> {
  return (await out.readInput()).replace(/\r?\n$/, '')
}

function parsePairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const split = word.indexOf('=')
      if (split < 1) throw choice(`${word} is not key=value`, ['key=value'])
      return [word.slice(0, split), word.slice(split + 1)]
    }),
  )
}

/**
 * What `-f key=value,…` names, and nothing else may follow it.
 * @throws Fault `client.choice` when a needed key is missing, or another one is there.
 */
function filter<N extends string, O extends string = never>(
  words: readonly string[],
  needed: readonly N[],
  optional: readonly O[] = [],
): Record<N, string> & Partial<Record<O, string>> {
  const form = [...needed.map((key) => `${key}=…`), ...optional.map((key) => `[,${key}=…]`)].join('')
  const [flag, text, ...more] = words
  if ((flag !== '-f' && flag !== '--filter') || text === undefined || more.length > 0)
    throw choice('which one?', [`-f ${form}`])
  const found = parsePairs(text.split(','))
  const isKnown = (key: string): boolean => [...needed, ...optional].some((known) => known === key)
  if (needed.some((key) => (found[key] ?? '') === '') || !Object.keys(found).every(isKnown))
    throw choice(`${text} does not name one`, [`-f ${form}`])
  return found as Record<N, string> & Partial<Record<O, string>>
}

function choice(problem: string, choices: readonly string[]): Fault {
  return new Fault('client.choice', { problem, choices: choices.join(', ') })
}
