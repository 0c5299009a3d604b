import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { parseProperties, type Problem, type Property } from './properties.ts'
import { Secret } from './secret.ts'

/** One configuration key: its default (none: the key must be set), its type and a sentence for the docs. */
export interface Option<T> {
  readonly default: string | undefined
  readonly summary: string
  /** @throws Error whose message completes "KEY …". */
  readonly parse: (text: string) => T
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** The parsed values of an option table, by key. */
export type Values<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never
}

export interface Config<T extends OptionTable> {
  readonly values: Values<T>
  /** Where a key's value came from: `file:line`, `default`, or the name of an override. */
  readonly origin: (key: keyof T & string) => string
  /** A key's value as text, with every `${…}` resolved. */
  readonly text: (key: keyof T & string) => string
  /** Keys that nobody knows, each with the nearest known one. They do not stop a start. */
  readonly warnings: readonly string[]
  /** The properties below the collected prefixes, resolved; of a key that is set twice the later one. */
  readonly collected: readonly Property[]
  /** All keys that have a value: of the table, kept ones, and those that nobody knows. */
  readonly keys: readonly string[]
  /** The value of any of them as text, with every `${…}` resolved that can be, and where it came from. */
  readonly find: (key: string) => Setting | undefined
}

/** A key's value as text, and where it came from: `file:line`, `default`, or the name of an override. */
export interface Setting {
  readonly value: string
  readonly origin: string
}

/** Keys that win over all files; a plain text has the origin `override`. */
export type Overrides = Readonly<Record<string, string | Setting>>

/** How keys are read that are no options of the table. */
export interface Reading {
  /** Prefixes of keys that are no options but somebody else's to read: they come back in `collected`. */
  readonly collect?: readonly string[]
  /** Defaults of keys that are known and that nobody parses: they may be referred to. */
  readonly kept?: Readonly<Record<string, string>>
  /** Says of a key that is neither in the table nor kept whether it is known all the same: nobody warns then. */
  readonly isKnown?: (key: string) => boolean
  /** What a key says in another one's words, which counts where that one is not set itself in the same place. */
  readonly translate?: (
    key: string,
    value: string,
  ) => { readonly key: string; readonly value: string } | undefined
}

/** All that is wrong with a configuration, at once. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(
      `configuration: ${problems.length === 1 ? '' : `${problems.length} problems: `}${problems.join('; ')}`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Reads files (later ones win, a missing optional one is skipped), then `overrides`, resolves `${key}`
 * and parses every option of the table.
 *
 * @throws ConfigError with every problem of every file.
 */
export function loadConfig<T extends OptionTable>(
  table: T,
  files: readonly { path: string; required: boolean }[],
  overrides: Overrides = {},
  { collect = [], kept = {}, isKnown, translate }: Reading = {},
): Config<T> {
  const problems: string[] = []
  const warnings: string[] = []
  const collected = new Map<string, Property>()
  const entries = new Map<string, Setting>()
  const known = [...Object.keys(table), ...Object.keys(kept)]
  for (const [key, value] of Object.entries(kept)) entries.set(key, { value, origin: 'default' })
  for (const [key, option] of Object.entries(table))
    if (option.default !== undefined) entries.set(key, { value: option.default, origin: 'default' })
    else entries.delete(key)
  const lay = (layer: ReadonlyMap<string, Setting>): void => {
    for (const [key, setting] of layer) {
      const meant = translate?.(key, setting.value)
      if (meant !== undefined && (meant.key === key || !layer.has(meant.key)))
        entries.set(meant.key, { value: meant.value, origin: `${setting.origin}: ${key}` })
      if (meant?.key !== key) entries.set(key, setting)
    }
  }
  for (const file of files) {
    const layer = new Map<string, Setting>()
    for (const property of readFile(file, problems)) {
      const { key, value, line } = property
      if (collect.some((prefix) => key.startsWith(prefix))) collected.set(key, property)
      else if (!Object.hasOwn(table, key) && !Object.hasOwn(kept, key) && isKnown?.(key) !== true)
        warnings.push(`${file.path}:${line}: unknown key "${key}"${suggestion(key, known)}`)
      layer.set(key, { value, origin: `${file.path}:${line}` })
    }
    lay(layer)
  }
  const over = Object.entries(overrides).map(
    ([key, said]) => [key, typeof said === 'string' ? { value: said, origin: 'override' } : said] as const,
  )
  lay(new Map(over))

  const values: Record<string, unknown> = {}
  for (const [key, option] of Object.entries(table)) {
    const entry = entries.get(key)
    if (entry === undefined) {
      problems.push(`"${key}" must be set (${option.summary})`)
      continue
    }
    try {
      values[key] = option.parse(interpolate(entry.value, entries, [key]))
    } catch (error) {
      // Without the value: it may be a secret.
      problems.push(`${entry.origin}: ${key} ${error instanceof Error ? error.message : ''}`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    values: Object.freeze(values) as Values<T>,
    origin: (key) => entries.get(key)?.origin ?? 'default',
    text: (key) => interpolate(entries.get(key)?.value ?? '', entries, [key]),
    collected: resolve(collected.values(), entries, warnings),
    warnings,
    keys: [...entries.keys()],
    find: (key) => {
      const entry = entries.get(key)
      return entry && { value: resolvedText(key, entry.value, entries), origin: entry.origin }
    },
  }
}

/** What refers to nothing stands as it is written. */
function resolvedText(key: string, value: string, entries: ReadonlyMap<string, Setting>): string {
  try {
    return interpolate(value, entries, [key])
  } catch {
    return value
  }
}

/** Nobody here knows what these properties are for, so one that cannot be resolved does not stop a start. */
function resolve(
  properties: Iterable<Property>,
  entries: ReadonlyMap<string, Setting>,
  warnings: string[],
): Property[] {
  const resolved: Property[] = []
  for (const property of properties) {
    const { key, file, line } = property
    try {
      resolved.push({ ...property, value: interpolate(property.value, entries, [key]) })
    } catch (error) {
      warnings.push(`${file}:${line}: ${key} ${error instanceof Error ? error.message : ''}`)
    }
  }
  return resolved
}

function readFile(file: { path: string; required: boolean }, problems: string[]) {
  let text: string
  try {
    text = readFileSync(file.path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!missing || file.required) problems.push(`${file.path}: cannot be read: ${(error as Error).message}`)
    return []
  }
  const parsed = parseProperties(text, file.path)
  problems.push(
    ...parsed.problems.map((problem: Problem) => `${problem.file}:${problem.line}: ${problem.text}`),
  )
  return parsed.properties
}

/** Replaces `${key}`; `$${`, and `${{}` as QVD writes it, is a literal `${`. */
function interpolate(value: string, entries: ReadonlyMap<string, Setting>, path: readonly string[]): string {
  return value.replace(
    /\$(\$\{|\{\{\})|\$\{([^}]*)\}/g,
    (_, literal: string | undefined, key: string | undefined) => {
      if (literal !== undefined || key === undefined) return '${'
      if (path.includes(key)) throw new Error(`refers to itself: ${[...path, key].join(' -> ')}`)
      const entry = entries.get(key)
      if (entry === undefined) throw new Error(`\${${key}} is not set`)
      return interpolate(entry.value, entries, [...path, key])
    },
  )
}

/** The end of a sentence about a key that nobody knows: the nearest known one, or nothing when none is near. */
export function suggestion(key: string, keys: readonly string[]): string {
  const near = keys
    .map((known) => ({ known, distance: editDistance(key, known) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= 3 ? `, did you mean "${near.known}"?` : ''
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

// --- kinds of options ---

/** Any text. */
export function text(summary: string, fallback?: string): Option<string> {
  return { default: fallback, summary, parse: (value) => value }
}

/** A path that begins with `/`; on Windows it may begin with a drive. */
export function path(summary: string, fallback?: string): Option<string> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      if (!isAbsolute(value) || value.includes('\0')) throw new Error('is not an absolute path')
      return value
    },
  }
}

/** A program: a path that begins with `/`, or a bare name that is looked up in the search path. */
export function program(summary: string, fallback?: string): Option<string> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      if (!/^(\/[^\0]*|[\w.+-]+)$/.test(value))
        throw new Error('is neither an absolute path nor the name of a program')
      return value
    },
  }
}

/** A whole number from `min` to `max`. */
export function integer(summary: string, fallback: number, min: number, max: number): Option<number> {
  return {
    default: String(fallback),
    summary,
    parse: (value) => {
      const number = Number(value)
      if (!/^-?\d+$/.test(value) || number < min || number > max)
        throw new Error(`is not a whole number from ${min} to ${max}`)
      return number
    },
  }
}

/** An option that may be left empty: then it is `undefined`. */
export function optional<T>(option: Option<T>): Option<T | undefined> {
  return {
    default: '',
    summary: option.summary,
    parse: (value) => (value === '' ? undefined : option.parse(value)),
  }
}

/** QVD's booleans: 0 or 1; an empty value is false. */
export function flag(summary: string, fallback: boolean): Option<boolean> {
  return {
    default: fallback ? '1' : '0',
    summary,
    parse: (value) => {
      if (value === '1') return true
      if (value === '0' || value === '') return false
      throw new Error('is neither 0 nor 1')
    },
  }
}

/** One of a few words. */
export function oneOf<const W extends string>(summary: string, words: readonly W[], fallback: W): Option<W> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      const word = words.find((candidate) => candidate === value)
      if (word === undefined) throw new Error(`is none of ${words.join(', ')}`)
      return word
    },
  }
}

/** A text that is never printed. */
export function secret(summary: string, fallback?: string): Option<Secret> {
  return { default: fallback, summary, parse: (value) => new Secret(value) }
}
