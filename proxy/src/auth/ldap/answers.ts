import { DirectoryTrouble } from './trouble.ts'

/** An entry as it came: names of attributes in lower case, values as bytes. */
export interface DirectoryEntry {
  readonly dn: string
  readonly attributes: ReadonlyMap<string, readonly Buffer[]>
}

/** The end of an operation. */
export interface Result {
  readonly code: number
  /** The diagnostic text: printable, and not longer than 500 characters. */
  readonly text: string
  /** Where the next page begins; empty on the last one. */
  readonly cookie: Buffer
}

/** One message of a directory. */
export type Answer = { readonly id: number } & (
  | { readonly kind: 'entry'; readonly entry: DirectoryEntry }
  | { readonly kind: 'reference'; readonly uris: readonly string[] }
  | { readonly kind: 'result'; readonly operation: number; readonly result: Result }
  | { readonly kind: 'other' }
)

interface Element {
  readonly tag: number
  readonly content: Buffer
  /** Where the next one begins. */
  readonly end: number
}

export const BIND_RESPONSE = 0x61
export const SEARCH_DONE = 0x65
export const EXTENDED_RESPONSE = 0x78
const SEARCH_ENTRY = 0x64
const SEARCH_REFERENCE = 0x73
const INTEGER = 0x02
const OCTETS = 0x04
const ENUMERATED = 0x0a
const SEQUENCE = 0x30
const SET = 0x31
const CONTROLS = 0xa0
const PAGED_RESULTS = '1.2.840.113556.1.4.319'
/** A user in thousands of groups has some hundred kilobytes. */
const MAX_MESSAGE = 4 << 20
const MAX_TEXT = 500
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Takes the first message off what came from a directory.
 * @returns `undefined` while it is incomplete; `end` is where the next message begins.
 * @throws DirectoryTrouble when it is no LDAP, or longer than 4 MiB.
 */
export function takeAnswer(bytes: Buffer): { readonly answer: Answer; readonly end: number } | undefined {
  if (bytes.length > 0 && bytes[0] !== SEQUENCE) throw noLdap()
  const message = elementAt(bytes, 0)
  if (message === undefined) return undefined
  const [id, operation, controls] = elementsIn(message.content)
  if (operation === undefined) throw noLdap()
  return { answer: { id: integerOf(id), ...answerOf(operation, controls) }, end: message.end }
}

function answerOf({ tag, content }: Element, controls: Element | undefined) {
  switch (tag) {
    case SEARCH_ENTRY:
      return { kind: 'entry', entry: entryOf(content) } as const
    case SEARCH_REFERENCE:
      return { kind: 'reference', uris: elementsIn(content).map((uri) => textOf(uri)) } as const
    case BIND_RESPONSE:
    case SEARCH_DONE:
    case EXTENDED_RESPONSE:
      return { kind: 'result', operation: tag, result: resultOf(content, controls) } as const
    default:
      return { kind: 'other' } as const
  }
}

function resultOf(content: Buffer, controls: Element | undefined): Result {
  const [code, , text] = elementsIn(content)
  const printable = contentOf(text, OCTETS)
    .toString('utf8')
    .slice(0, MAX_TEXT)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
  return { code: integerOf(code, ENUMERATED), text: printable.trim(), cookie: cookieIn(controls) }
}

function entryOf(content: Buffer): DirectoryEntry {
  const [dn, list] = elementsIn(content)
  const attributes = new Map<string, readonly Buffer[]>()
  for (const attribute of elementsIn(contentOf(list, SEQUENCE))) {
    const [name, values] = elementsIn(contentOf(attribute, SEQUENCE))
    attributes.set(
      textOf(name).toLowerCase(),
      elementsIn(contentOf(values, SET)).map((value) => contentOf(value, OCTETS)),
    )
  }
  return { dn: textOf(dn), attributes }
}

function cookieIn(controls: Element | undefined): Buffer {
  if (controls?.tag !== CONTROLS) return Buffer.alloc(0)
  for (const control of elementsIn(controls.content)) {
    const parts = elementsIn(contentOf(control, SEQUENCE))
    if (textOf(parts[0]) !== PAGED_RESULTS) continue
    const value = elementsIn(contentOf(parts.at(-1), OCTETS))[0]
    return contentOf(elementsIn(contentOf(value, SEQUENCE))[1], OCTETS)
  }
  return Buffer.alloc(0)
}

/** @returns `undefined` when the bytes end before the element does. */
function elementAt(bytes: Buffer, at: number): Element | undefined {
  if (bytes.length < at + 2) return undefined
  const tag = bytes.readUInt8(at)
  const short = bytes.readUInt8(at + 1)
  const more = short < 0x80 ? 0 : short - 0x80
  const start = at + 2 + more
  if (short === 0x80 || more > 4) throw noLdap()
  if (bytes.length < start) return undefined
  const length = more === 0 ? short : bytes.readUIntBE(at + 2, more)
  if (length > MAX_MESSAGE) throw new DirectoryTrouble('sent a message that is too long', { isDown: true })
  if (bytes.length < start + length) return undefined
  return { tag, content: bytes.subarray(start, start + length), end: start + length }
}

function elementsIn(content: Buffer): Element[] {
  const elements: Element[] = []
  for (let at = 0; at < content.length;) {
    const element = elementAt(content, at)
    if (element === undefined) throw noLdap()
    elements.push(element)
    at = element.end
  }
  return elements
}

function contentOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw noLdap()
  return element.content
}

function integerOf(element: Element | undefined, tag = INTEGER): number {
  const content = contentOf(element, tag)
  if (content.length < 1 || content.length > 4) throw noLdap()
  return content.readIntBE(0, content.length)
}

/** Names must be exact: what is no UTF-8 is refused, not mended. */
function textOf(element: Element | undefined): string {
  try {
    return UTF_8.decode(contentOf(element, OCTETS))
  } catch (cause) {
    if (cause instanceof DirectoryTrouble) throw cause
    throw noLdap()
  }
}

function noLdap(): DirectoryTrouble {
  return new DirectoryTrouble('answered with something that is no LDAP', { isDown: true })
}
