import { suggestion } from '@ostler/kit/config.ts'
import { PLUGINS } from '../../auth/registry.ts'
import { MAPPED, MAPPED_VALUES } from './mapped.ts'
import { UNHEEDED, UNHEEDED_FAMILIES } from './unheeded.ts'

/** What becomes of a key of a configuration. */
export type Verdict =
  | { readonly kind: 'honoured' }
  | { readonly kind: 'mapped'; readonly to: string; readonly how: string }
  | { readonly kind: 'reported'; readonly reason: string }
  /** Nobody knows it: it is kept, and may be referred to. `near` ends a sentence. */
  | { readonly kind: 'unknown'; readonly near: string }

/** Plugins of a site have keys of their own. */
const PLUGIN = /^l7r\.auth\.plugin\.(\w+)\.[\w.-]+$/
const REASONS = new Map(
  UNHEEDED.flatMap(({ reason, keys }) => Object.keys(keys).map((key) => [key, reason] as const)),
)

/** @param own all keys that a node knows. */
export function verdictOf(key: string, own: readonly string[]): Verdict {
  if (own.includes(key)) return { kind: 'honoured' }
  const mapped = Object.hasOwn(MAPPED, key) ? MAPPED[key] : undefined
  if (mapped !== undefined) return { kind: 'mapped', to: mapped.to, how: mapped.how }
  const reason = REASONS.get(key) ?? UNHEEDED_FAMILIES.find(({ prefix }) => key.startsWith(prefix))?.reason
  if (reason !== undefined) return { kind: 'reported', reason }
  const word = PLUGIN.exec(key)?.[1]?.toLowerCase()
  if ((word !== undefined && !Object.hasOwn(PLUGINS, word)) || key.startsWith('log4perl.'))
    return { kind: 'honoured' }
  return { kind: 'unknown', near: suggestion(key, [...own, ...REASONS.keys()]) }
}

/** Defaults of QVD's keys that a node does not heed: they stay readable, and others may refer to them. */
export const KEPT_DEFAULTS: Readonly<Record<string, string>> = Object.fromEntries([
  ...UNHEEDED.flatMap(({ keys }) => Object.entries(keys)),
  ...Object.entries(MAPPED).flatMap(([key, mapped]) =>
    mapped.default === undefined ? [] : [[key, mapped.default] as const],
  ),
])

/** Says whether a key is QVD's, and no key of ours has its name. */
export function isKept(key: string): boolean {
  return (
    Object.hasOwn(MAPPED, key) ||
    REASONS.has(key) ||
    UNHEEDED_FAMILIES.some(({ prefix }) => key.startsWith(prefix))
  )
}

/** What a key of QVD says in our words; `undefined`: it stands as it is. */
export function translate(key: string, value: string): { key: string; value: string } | undefined {
  const mapped = Object.hasOwn(MAPPED, key) ? MAPPED[key] : undefined
  const to = mapped?.to ?? key
  const own = Object.hasOwn(MAPPED_VALUES, key) ? MAPPED_VALUES[key] : undefined
  const converted = (mapped ?? own)?.convert(value)
  return converted === undefined ? undefined : { key: to, value: converted }
}
