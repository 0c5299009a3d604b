import { sessionParameters } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { openToOthers } from '@ostler/kit/root-only.ts'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as z from 'zod'
import type { AuthPlugin } from './plugin.ts'

/** What a plugin of a site is given. */
export interface SitePluginContext {
  /** The keys below `l7r.auth.plugin.WORD.`, without that prefix. */
  readonly settings: Readonly<Record<string, string>>
  readonly log: Log
}

/** Which plugin, and what of. */
export interface SitePluginSource extends SitePluginContext {
  /** The plugin's file is `WORD.mjs` in there. */
  readonly folder: string
  readonly word: string
  /** Milliseconds for loading it, and for each answer about a desktop. */
  readonly timeoutMs: number
}

type Answer = (...args: unknown[]) => unknown
type Members = Omit<AuthPlugin, 'name' | 'hashes'>

/**
 * Loads a plugin of a site (docs/sign-in-plugins.md). What it answers is checked each time: an answer that is none
 * throws, and then nobody could tell, which is better than to let somebody in by mistake.
 *
 * @throws Fault `auth.unavailable` when there is none, when somebody else than root could have written it, and when it
 *   does not hold to the interface; the cause says what is wrong.
 */
export async function loadSitePlugin({ folder, word, ...source }: SitePluginSource): Promise<AuthPlugin> {
  try {
    if (!/^\w+$/.test(word)) throw new Error('a word is letters, digits and underscores')
    const file = join(folder, `${word}.mjs`)
    const problem = openToOthers(file)
    if (problem !== undefined) throw new Error(`${file}: ${problem}`)
    const { settings, timeoutMs } = source
    const log = source.log.child({ plugin: word })
    const made = await withDeadline(file, timeoutMs, async () => await importPlugin(file, { settings, log }))
    return { name: word, ...checked(word, made, timeoutMs) }
  } catch (cause) {
    throw new Fault('auth.unavailable', { reason: `the plugin ${word} cannot be used` }, { cause })
  }
}

async function importPlugin(file: string, context: SitePluginContext): Promise<Record<string, unknown>> {
  // The age keeps a changed file from being answered by the module that was loaded before.
  const url = pathToFileURL(file)
  url.search = `?${statSync(file).mtimeMs}`
  const module = (await import(url.href)) as { default?: unknown }
  if (typeof module.default !== 'function') throw new Error(`${file} exports no function by default`)
  const made: unknown = await (module.default as Answer)(context)
  if (typeof made !== 'object' || made === null) throw new Error(`${file} makes no object of functions`)
  return made as Record<string, unknown>
}

const found = z.strictObject({ tenant: z.string(), login: z.string() }).optional()
const verdict = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('accept'),
    login: z.string().min(1).max(256).exactOptional(),
    parameters: z.exactOptional(sessionParameters),
    groups: z.array(z.string().max(256)).max(1_000).exactOptional(),
  }),
  z.strictObject({ kind: z.literal('reject'), reason: z.string() }),
  z.strictObject({ kind: z.literal('abstain'), reason: z.string().exactOptional() }),
])
const added = z.optional(sessionParameters)
const digits = z.int().min(1).max(64).optional()
const mayUse = z.boolean().optional()

/** The members of a plugin, each with a check of its answers. */
function checked(word: string, made: Record<string, unknown>, timeoutMs: number): Members {
  const answer = <T>(name: string, schema: z.ZodType<T>, said: unknown): T => {
    const parsed = schema.safeParse(said)
    if (parsed.success) return parsed.data
    throw new Error(`${word}: ${name} answered what it must not: ${z.prettifyError(parsed.error)}`)
  }
  const method = (owner: object, name: string): Answer => {
    const member: unknown = (owner as Record<string, unknown>)[name]
    if (typeof member !== 'function') throw new Error(`${name} is no function`)
    return (member as Answer).bind(owner)
  }
  const later = <T>(name: string, schema: z.ZodType<T>, owner: object = made) => {
    const call = method(owner, name)
    return async (...args: unknown[]): Promise<T> => answer(name, schema, await call(...args))
  }
  const members: { readonly [K in keyof Members]-?: () => NonNullable<Members[K]> } = {
    findTenant: () => {
      const call = method(made, 'findTenant')
      return (typed) => answer('findTenant', found, call(typed))
    },
    authenticate: () => later('authenticate', verdict),
    authenticateCertificate: () => later('authenticateCertificate', verdict),
    secondFactor: () => {
      const factor = made['secondFactor']
      if (typeof factor !== 'object' || factor === null) throw new Error('secondFactor is no object')
      return { digits: later('digits', digits, factor), take: later('take', z.boolean(), factor) }
    },
    afterSignIn: () => later('afterSignIn', added),
    mayUse: () => {
      const call = later('mayUse', mayUse)
      return async ({ tenant, login, groups }, desktop) => {
        try {
          return await withDeadline(word, timeoutMs, () => call({ tenant, login, groups }, desktop))
        } catch (cause) {
          throw new Fault('auth.unavailable', { reason: `${word} cannot tell` }, { cause })
        }
      }
    },
  }
  const names = namesOf(made)
  const strange = names.filter((name) => !Object.hasOwn(members, name))
  if (strange.length > 0) throw new Error(`nobody calls ${strange.join(', ')}`)
  if (names.length === 0) throw new Error('it has no function that is called')
  return Object.fromEntries(names.map((name) => [name, members[name as keyof Members]()]))
}

/** What an object has, or its class. A class may have more of its own, which begins with an underscore. */
function namesOf(made: object): string[] {
  const prototype = Object.getPrototypeOf(made) as object | null
  const inherited =
    prototype === null || prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype)
  const names = new Set([...Object.keys(made), ...inherited])
  return [...names].filter((name) => name !== 'constructor' && !name.startsWith('_'))
}
