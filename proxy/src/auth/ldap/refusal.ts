/** What Active Directory writes behind `data` in the text of a refusal, where it says more than "wrong". */
const REASONS: Readonly<Record<string, string>> = {
  '530': 'not allowed at this hour',
  '531': 'not allowed from this computer',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '701': 'the account has expired',
  '773': 'the password must be changed first',
  '775': 'the account is locked',
}

const CONSTRAINT_VIOLATION = 19
const NO_SUCH_OBJECT = 32
const INAPPROPRIATE = 48
export const INVALID_CREDENTIALS = 49
const INSUFFICIENT_ACCESS = 50
const UNWILLING = 53

/** What the directory means by not letting somebody bind. */
export type Refusal =
  /** Nobody of that name, or another password. */
  | { readonly kind: 'unknown-or-wrong' }
  /** The account is there, and may not come in now. */
  | { readonly kind: 'shut'; readonly reason: string }

/** @returns `undefined` when the directory has neither let her in nor refused her. */
export function refusalOf(result: { readonly code: number; readonly text: string }): Refusal | undefined {
  switch (result.code) {
    case INVALID_CREDENTIALS: {
      const reason = REASONS[/\bdata ([0-9a-f]{3,8})\b/i.exec(result.text)?.[1]?.toLowerCase() ?? '']
      return reason === undefined ? { kind: 'unknown-or-wrong' } : { kind: 'shut', reason }
    }
    case NO_SUCH_OBJECT:
    case INAPPROPRIATE:
      return { kind: 'unknown-or-wrong' }
    case CONSTRAINT_VIOLATION:
    case INSUFFICIENT_ACCESS:
    case UNWILLING:
      return { kind: 'shut', reason: result.text === '' ? 'the account may not be used' : result.text }
    default:
      return undefined
  }
}
