import type { Verdict } from './verdict.ts'

/** A sentence about keys that a configuration sets and a node does not take as they stand. */
export interface Finding {
  readonly kind: 'mapped' | 'reported' | 'unknown'
  /** Each with where it stands. */
  readonly keys: readonly string[]
  readonly text: string
}

/** What there is to say about keys that are set, one finding for each reason. Defaults are nobody's doing. */
export function findingsOf(
  verdictOf: (key: string) => Verdict,
  set: readonly { readonly key: string; readonly origin: string }[],
): readonly Finding[] {
  const found = new Map<string, { kind: Finding['kind']; keys: string[] }>()
  for (const { key, origin } of set) {
    const verdict = verdictOf(key)
    if (verdict.kind === 'honoured') continue
    const text =
      verdict.kind === 'mapped'
        ? `read as ${verdict.to}: ${verdict.how}`
        : verdict.kind === 'reported'
          ? `not used: ${verdict.reason}`
          : `unknown, kept for others to refer to${verdict.near}`
    const at = found.get(text) ?? { kind: verdict.kind, keys: [] }
    at.keys.push(`${key} (${origin})`)
    found.set(text, at)
  }
  return [...found].map(([text, { kind, keys }]) => ({ kind, keys, text }))
}
