const SECRET = '***'
const MAX_DEPTH = 8
const MAX_TEXT = 8_192
/** Characters of one value in all. */
const MAX_ROOM = 32_768

const SECRET_KEY =
  /authori[sz]ation|cookie|passw|passphrase|secret|token|credential|slave[._-]?key|private[._-]?key/i

/** Secrets inside of texts that others have written: nxagent, HTTP headers, option strings, URLs. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/(Authentication cookie)[^\n]*/gi, `$1 ${SECRET}`],
  [/((?:authori[sz]ation|cookie)["']?\s*:)[^\n]*/gi, `$1 ${SECRET}`],
  [/\b(Bearer)\s+\S+/gi, `$1 ${SECRET}`],
  [
    /((?:cookie|passw(?:or)?d|passphrase|secret|token|credentials?|slave\.?key)["']?\s*[=:]\s*)("[^"\n]*"?|'[^'\n]*'?|[^\s,;&"']+)/gi,
    `$1${SECRET}`,
  ],
  [/(:\/\/[^\s:@/]*:)[^\s@]{1,256}@/g, `$1${SECRET}@`],
]

/**
 * A copy of `value` that can be printed as JSON: without secrets, without cycles, and of bounded size.
 *
 * A `Secret` prints itself as `***`; a field whose name looks like one loses its value; in texts what stands
 * after such a name goes. Errors become name, message, code and cause; a stack only for what nobody expected.
 * Never throws.
 */
export function printable(value: unknown): unknown {
  return new Copy().of(value, 0)
}

/** A text that others have written, without what looks like a secret in it. As long as it was, or nearly. */
export function withoutSecrets(text: string): string {
  let clean = text
  for (const [pattern, replacement] of SECRET_TEXTS) clean = clean.replace(pattern, replacement)
  return clean
}

class Copy {
  #room = MAX_ROOM

  of(value: unknown, depth: number): unknown {
    this.#room -= 1
    // A cycle ends here too.
    if (this.#room <= 0 || depth > MAX_DEPTH) return '…'
    try {
      return typeof value === 'object' && value !== null ? this.#ofObject(value, depth) : this.#ofPlain(value)
    } catch {
      return '[unreadable]' // a getter may throw
    }
  }

  #ofPlain(value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value)
    if (typeof value === 'bigint') return value.toString()
    return typeof value === 'symbol' || typeof value === 'function' ? `[${typeof value}]` : value
  }

  #ofObject(value: object, depth: number): unknown {
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if (value instanceof Error) return this.#fields(Object.entries(describe(value)), depth)
    if (hasToJson(value)) return this.of(value.toJSON(), depth + 1)
    if (value instanceof Map) return this.#fields(value, depth)
    if (Array.isArray(value) || value instanceof Set) return this.#list(value, depth)
    return this.#fields(Object.entries(value), depth)
  }

  #list(values: Iterable<unknown>, depth: number): unknown[] {
    const copied: unknown[] = []
    for (const value of values) {
      copied.push(this.of(value, depth + 1))
      if (this.#room <= 0) break
    }
    return copied
  }

  #fields(entries: Iterable<[unknown, unknown]>, depth: number): Record<string, unknown> {
    const copied: [string, unknown][] = []
    for (const [name, value] of entries) {
      const key = typeof name === 'string' ? this.#text(name) : String(this.of(name, depth + 1))
      const isSecret = SECRET_KEY.test(key) && value !== undefined
      copied.push([key, isSecret ? SECRET : this.of(value, depth + 1)])
      if (this.#room <= 0) break
    }
    return Object.fromEntries(copied)
  }

  #text(text: string): string {
    // Much longer than what is kept, so that no secret that is kept begins before and ends behind the cut.
    let clean = withoutSecrets(text.slice(0, 2 * MAX_TEXT))
    if (clean.length > MAX_TEXT) clean = `${clean.slice(0, MAX_TEXT)}…`
    this.#room -= clean.length
    return clean
  }
}

function hasToJson(value: object): value is { toJSON: () => unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

function describe(error: Error): Record<string, unknown> {
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? { stack: error.stack } : { code }),
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  }
}
