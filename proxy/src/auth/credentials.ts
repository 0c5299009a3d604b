import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'

/** What a request says about who sent it (compatibility page 1.2). */
export type Credentials =
  | { readonly scheme: 'basic'; readonly login: string; readonly password: Secret }
  | { readonly scheme: 'bearer'; readonly token: Secret }

/**
 * Reads an `Authorization` header: `Basic base64(login:password)`, where everything behind the first colon is the
 * password, or `Bearer base64(token)`.
 *
 * @returns `undefined` when there is no header.
 * @throws Fault `auth.required` for another scheme, for what is no base64, and for an empty login.
 */
export function parseAuthorization(header: string | undefined): Credentials | undefined {
  if (header === undefined) return undefined
  const [, scheme, encoded] = /^(basic|bearer) +([A-Za-z0-9+/]+={0,2})$/i.exec(header.trim()) ?? []
  if (scheme === undefined || encoded === undefined) throw unusable()
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  if (scheme.toLowerCase() === 'bearer') {
    // The original hands its tokens out with a line feed at the end (trap T11).
    const token = text.trim()
    if (token === '') throw unusable()
    return { scheme: 'bearer', token: new Secret(token) }
  }
  const colon = text.indexOf(':')
  if (colon < 1 || hasControl(text)) throw unusable()
  return { scheme: 'basic', login: text.slice(0, colon), password: new Secret(text.slice(colon + 1)) }
}

const ENVIRONMENT = /^auth-((?:[0-9a-f]{2}){1,128})$/
const MAX_SHARED = 64

/**
 * The environment that a client shares by `Auth-<hex of the name>: <base64 of the value>`, name to value.
 * What is malformed or holds control characters is left out.
 * @param headers names in lower case.
 */
export function environmentOf(headers: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const shared = new Map<string, string>()
  for (const [header, value] of headers) {
    const hex = ENVIRONMENT.exec(header)?.[1]
    if (hex === undefined || shared.size === MAX_SHARED || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) continue
    const pair = [
      Buffer.from(hex, 'hex').toString('utf8'),
      Buffer.from(value, 'base64').toString('utf8'),
    ] as const
    if (!pair.some(hasControl)) shared.set(...pair)
  }
  return shared
}

/** No account has a control character in its name; a NUL would end the text of a directory or a database early. */
export function hasControl(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text)
}

function unusable(): Fault {
  return new Fault('auth.required', { reason: 'no usable credentials' })
}
