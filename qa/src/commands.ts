import {
  ADMIN_OBJECTS,
  type AdminObject,
  type Blockable,
  CONFIGURATION_PATH,
  type Expiring,
} from '@ostler/contract/admin-api.ts'
import type { ConfigurationEntry } from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { JOB_ORDERS, type JobOrder } from '@ostler/contract/jobs.ts'
import type { ApiClient } from './api-client.ts'
import { backUpNow, listBackups } from './backup.ts'
import { administratorActions, auditActions, tokenActions } from './administration.ts'
import { byFilter } from './bulk.ts'
import { captureDesktop } from './capture.ts'
import { adoptHome, deleteWithHomes, listHomes, purgeHome, restoreHome, trashHome } from './homes.ts'
import { desktopCounters, hostCounters } from './counters.ts'
import { printExplanation } from './explanation.ts'
import { importActions } from './import.ts'
import { listJobs, orderJob, previewRollOut, runJob, showJob } from './jobs.ts'
import { maintained } from './maintenance.ts'
import { listed } from './lists.ts'
import { listNotices } from './notices.ts'
import { examine } from './doctor.ts'
import { type Options, readOptions } from './options.ts'
import { examineConfiguration, importConfiguration, listConfiguration, printChange } from './configuration.ts'
import { poolActions } from './pool.ts'
import { withProperties } from './properties.ts'
import { printSlo } from './slo.ts'
import { certificateOfDoors } from './ssl.ts'
import { listOrphans, purgeOrphans } from './storage.ts'
import { isLocalFile, uploadFile } from './upload.ts'
import type { Words } from './words.ts'

export interface Console {
  /** One line on standard output. */
  print(line: string): void
  /** Everything on standard input. */
  readInput(): Promise<string>
  /** Asks a person; missing where there is none. */
  confirm?(question: string): Promise<boolean>
  /** How far something is, in place of what was said before, or nothing any more; missing where nobody looks. */
  progress?(line: string | undefined): void
  /** Asks a person for what is not shown while it is typed; missing where there is none. */
  readonly ask?: (question: string) => Promise<string>
}

/** A console, and how it is to be spoken to. */
export interface CommandConsole extends Console {
  readonly options: Options
  /** A line that was asked for: it is printed also where everything else is not to be. */
  show(line: string): void
}

export type Action = (words: readonly string[], api: ApiClient, out: CommandConsole) => Promise<void>

/** How subjects with a file of their own read words. */
const WORDS: Words = { named: filter, pairs: readPairs }

/** What can be done to what, in QVD's words where it has them (compatibility page 9.1). */
const ACTIONS: Readonly<Record<string, Readonly<Record<string, Action>>>> = {
  tenant: { ...listed('tenant'), ...added('tenant'), ...blockable('tenant'), ...changedTenant() },
  group: { ...listed('group'), ...added('group'), ...membership() },
  user: {
    ...listed('user'),
    ...added('user'),
    block: byFilter('user', 'block', blockable('user').block),
    unblock: byFilter('user', 'unblock', blockable('user').unblock),
    passwd: setPassword,
    del: byFilter('user', 'del', deleteOne('user')),
    ...withProperties('user', WORDS),
    ...maintained('user', WORDS),
  },
  host: {
    ...listed('host'),
    counters: hostCounters,
    ...added('host'),
    block: byFilter('host', 'block', blockable('host').block),
    unblock: byFilter('host', 'unblock', blockable('host').unblock),
    del: byFilter('host', 'del'),
    ...withProperties('host', WORDS),
    ...maintained('host', WORDS),
  },
  osf: {
    ...listed('osf'),
    ...added('osf'),
    ...withProperties('osf', WORDS),
    ...maintained('osf', WORDS),
    del: byFilter('osf', 'del', deleteOne('osf')),
    edit: editFlavour,
  },
  di: {
    ...listed('di'),
    block: byFilter('di', 'block', blockable('di').block),
    unblock: byFilter('di', 'unblock', blockable('di').unblock),
    ...withProperties('di', WORDS),
    add: addImage,
    capture: async (words, api, out) =>
      await captureDesktop(await readPairs(words, out), api, (line) => out.print(line)),
    tag: tagImage,
    untag: untagImage,
    del: byFilter('di', 'del', deleteImage, undefined, 'id'),
    'roll-out': async (words, api, out) =>
      await previewRollOut(await readPairs(words, out), api, (line) => out.print(line)),
  },
  job: jobActions(),
  vm: {
    ...listed('vm'),
    counters: desktopCounters,
    add: addDesktops,
    block: byFilter('vm', 'block', blockable('vm').block),
    unblock: byFilter('vm', 'unblock', blockable('vm').unblock),
    ...withProperties('vm', WORDS),
    ...maintained('vm', WORDS),
    start: byFilter('vm', 'start', wish('start', 'run')),
    stop: byFilter('vm', 'stop', wish('stop', 'stop')),
    reset: byFilter('vm', 'reset', wish('reset', 'reset')),
    edit: byFilter('vm', 'edit', editDesktop, async (words, out) => ({
      change: await readPairs(words, out),
    })),
    del: byFilter('vm', 'del', deleteOne('vm')),
    disconnect: byFilter('vm', 'disconnect', disconnect),
    disconnect_user: byFilter('vm', 'disconnect', disconnect),
    explain: async (words, api, out) => {
      const { name } = filter(words, ['name'])
      printExplanation(await api.get(`/v1/desktops/${encodeURIComponent(name)}/explain`), (line) =>
        out.print(line),
      )
    },
  },
  pool: { ...poolActions(WORDS), ...maintained('pool', WORDS) },
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
  /** Objects without actions. */
  doctor: { '': async (words, api, out) => await examine(filter(words, [], ['name']).name, api, out) },
  slo: { '': sloOf },
  import: importActions(WORDS),
  administrator: administratorActions(WORDS),
  token: tokenActions(WORDS),
  audit: auditActions(WORDS),
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

/** The words for what can be done to each kind of object; those of tunnels are in `tunnel/commands.ts`. */
export const OBJECTS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ACTIONS).map(([object, actions]) => [object, Object.keys(actions)]),
)

/**
 * Runs one command in QVD's form: `qa [OPTIONS] OBJECT ACTION [key=value …]`, where options may stand anywhere (`Options`). One
 * value may be `-`: then it is read from standard input, without the end of its line, and stands in no list of processes.
 * @throws Fault `client.choice` for a command that is none, or what the api says.
 */
export async function runCommand(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { words: rest, options: asked } = readOptions(words)
  const [object = '', ...behind] = rest
  const actions = Object.hasOwn(ACTIONS, object) ? ACTIONS[object] : undefined
  if (actions === undefined) throw choice(`unknown object ${object || '(none)'}`, Object.keys(ACTIONS))
  const [action = '', ...more] = Object.hasOwn(actions, '') ? ['', ...behind] : behind
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (act === undefined)
    throw choice(`unknown action ${action || '(none)'} for ${object}`, Object.keys(actions))
  const tenant = asked.tenant === undefined ? undefined : await nameOfTenant(asked.tenant, api)
  const options = { ...asked, tenant }
  const said = { ...out, options, show: (line: string) => out.print(line) }
  const quiet = { ...said, print: () => {} }
  await act(wordsOf(object, action, more, options), api, options.quiet ? quiet : said)
}

/** What `-t` narrows by the filter, and what by a word. */
const TENANT_IN_FILTER = ['user', 'group', 'vm']
const TENANT_AS_WORD = ['pool', 'home', 'osf', 'policy', 'config', ...TENANT_IN_FILTER]

/** The words of an action with what options say to it: a filter first, and whose it is. */
function wordsOf(
  object: string,
  action: string,
  words: readonly string[],
  { filter: said, tenant, watch }: Options,
): readonly string[] {
  if (action === 'list' && object !== 'job' && object !== 'config') return words
  const isAdded = ['add', 'passwd'].includes(action)
  const inFilter = tenant !== undefined && TENANT_IN_FILTER.includes(object) && !isAdded
  const narrowed = [said, inFilter ? `tenant=${tenant}` : undefined].filter((part) => part !== undefined)
  const asWord = tenant !== undefined && !inFilter && TENANT_AS_WORD.includes(object)
  return [
    ...(narrowed.length === 0 ? [] : ['-f', narrowed.join(',')]),
    ...words,
    ...(asWord ? [`tenant=${tenant}`] : []),
    ...(watch ? ['--watch'] : []),
  ]
}

/** QVD's `-t` is a number. */
async function nameOfTenant(word: string, api: ApiClient): Promise<string> {
  if (!/^\d{1,9}$/.test(word)) return word
  const [found] = (await api.get(`${ADMIN_OBJECTS.tenant.path}?filter=id%3D${word}`)) as { name: string }[]
  if (found === undefined) throw new Fault('object.unknown', { kind: 'tenant', name: word })
  return found.name
}

// --- everything ---

/** What things are called when they are added. */
const TITLES: Readonly<Record<AdminObject, string>> = {
  ...{ tenant: 'Tenant', user: 'User', group: 'Group', host: 'Host', osf: 'OSF', di: 'DI', vm: 'VM' },
  policy: 'Policy rule',
}

function added(object: AdminObject): Record<'add', Action> {
  return {
    add: async (words, api, out) => {
      const body = await readPairs(words, out)
      const answer = (await api.post(ADMIN_OBJECTS[object].path, body)) as { id: number }
      out.print(`${TITLES[object]} added with id ${answer.id}`)
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
    was: string | null
  }
  if (was === null) throw new Fault('desktop.nobodyThere', { name })
  out.print(`disconnected: ${was}`)
}

function wish(word: string, kind: 'run' | 'stop' | 'reset'): Action {
  return async (words, api, out) => {
    const { name } = filter(words, ['name'])
    await api.post(`/v1/desktops/${encodeURIComponent(name)}/wishes`, { kind })
    out.print(`${word} asked for`)
  }
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

/** `qa slo [-f name=OSF] [days=N]` */
async function sloOf(words: readonly string[], api: ApiClient, out: CommandConsole): Promise<void> {
  const isNarrowed = words[0] === '-f'
  const name = isNarrowed ? filter(words.slice(0, 2), ['name']).name : undefined
  const { days, ...more } = await readPairs(words.slice(isNarrowed ? 2 : 0), out)
  if (Object.keys(more).length > 0) throw choice('which starts?', ['-f name=OSF', 'days=NUMBER'])
  await printSlo(name, days, api, out)
}

// --- disk images ---

/** `qa di add …`: a file of this machine is sent first (docs/images.md). */
async function addImage(words: readonly string[], api: ApiClient, out: CommandConsole): Promise<void> {
  const said = await readPairs(words, out)
  const { path, sha256 } = said
  const sent = isLocalFile(path)
    ? await uploadFile(path, sha256, api, out.options.quiet ? {} : out)
    : undefined
  const body = sent === undefined ? said : { ...said, path: sent.file, sha256: sent.sha256 }
  const answer = (await api.post(ADMIN_OBJECTS.di.path, body)) as {
    id: number
    version: string
    expiring: Expiring
  }
  printExpiring(answer.expiring, out)
  out.print(`DI added with id ${answer.id}, version ${answer.version}`)
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

/**
 * `qa vm add name=… user=LOGIN|user_id=N osf=NAME|osf_id=N [ip=…] [di_tag=…] [bulk=N]`: with `bulk` so many desktops, which are
 * called NAME-1, NAME-2 …
 */
async function addDesktops(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { user_id, osf_id, ...said } = await readPairs(words, out)
  if (user_id !== undefined && said['user'] !== undefined) throw choice('whose?', ['user=…', 'user_id=…'])
  if (osf_id !== undefined && said['osf'] !== undefined) throw choice('of what?', ['osf=…', 'osf_id=…'])
  const user = user_id === undefined ? {} : await byNumber('user', user_id, api)
  const flavour = osf_id === undefined ? {} : await byNumber('osf', osf_id, api)
  const body = {
    ...said,
    ...('login' in user ? { user: user['login'], tenant: user['tenant'] } : {}),
    ...('name' in flavour ? { osf: flavour['name'] } : {}),
  }
  const { id, ids = [id] } = (await api.post(ADMIN_OBJECTS.vm.path, body)) as { id: number; ids?: number[] }
  for (const each of ids) out.print(`VM added with id ${each}`)
}

/** QVD's tools know users and flavours also by their numbers. */
async function byNumber(
  kind: 'user' | 'osf',
  number: string,
  api: ApiClient,
): Promise<Readonly<Record<string, unknown>>> {
  if (!/^\d{1,9}$/.test(number)) throw choice(`${number} is no number`, [`${kind}_id=NUMBER`])
  const [found] = (await api.get(`${ADMIN_OBJECTS[kind].path}?filter=id%3D${number}`)) as object[]
  if (found === undefined) throw new Fault('object.unknown', { kind, name: number })
  return found as Readonly<Record<string, unknown>>
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

/** `qa user passwd user=LOGIN`: the new password is asked for twice, or comes from standard input. */
async function setPassword(words: readonly string[], api: ApiClient, out: Console): Promise<void> {
  const { user, tenant, ...more } = await readPairs(words, out)
  if (user === undefined || Object.keys(more).length > 0)
    throw choice('whose password?', ['user=LOGIN [tenant=NAME]'])
  const password = out.ask === undefined ? await readValue(out) : await askTwice(user, out.ask)
  await api.post(`${userPath(user)}/password`, { password, ...tenantOf({ tenant }) })
  out.print(`password of ${user} set`)
}

// --- configuration ---

async function getConfiguration(
  words: readonly string[],
  api: ApiClient,
  out: CommandConsole,
): Promise<void> {
  const withOrigin = words.includes('--origin')
  const { keys, tenant } = splitTenant(words.filter((word) => word !== '--origin'))
  const found = (await api.get(`${CONFIGURATION_PATH}${query(keys, tenant)}`)) as ConfigurationEntry[]
  for (const { key, value, origin } of found) out.show(`${key}=${value}${withOrigin ? `\t${origin}` : ''}`)
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

async function askTwice(user: string, ask: (question: string) => Promise<string>): Promise<string> {
  const password = await ask(`New password of ${user}: `)
  if ((await ask('The same again: ')) === password) return password
  throw choice('the two are not the same', ['twice the same'])
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
  if (needed.length === 0 && words.length === 0) return {} as Record<N, string> & Partial<Record<O, string>>
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
