/** One value of an attribute as it is on the wire; a collection is a run of values, from its begin to its end. */
export interface IppValue {
  readonly tag: number
  readonly bytes: Buffer
}

export interface IppAttribute {
  readonly name: string
  readonly values: readonly IppValue[]
}

export interface IppGroup {
  readonly tag: number
  readonly attributes: readonly IppAttribute[]
}

/** A request or an answer of the Internet Printing Protocol (RFC 8010), without the document behind it. */
export interface IppMessage {
  /** 0x0101 for 1.1, 0x0200 for 2.0. */
  readonly version: number
  /** The operation of a request, the status of an answer. */
  readonly code: number
  readonly id: number
  readonly groups: readonly IppGroup[]
}

/** Tags of groups (RFC 8010, 3.5.1). */
export const IPP_GROUP = { operation: 0x01, job: 0x02, printer: 0x04 } as const
/** Tags of values (RFC 8010, 3.5.2). */
export const IPP_TAG = {
  integer: 0x21,
  boolean: 0x22,
  enum: 0x23,
  text: 0x41,
  name: 0x42,
  keyword: 0x44,
  uri: 0x45,
  charset: 0x47,
  language: 0x48,
  mimeType: 0x49,
} as const

const END_OF_ATTRIBUTES = 0x03
/** What is lower begins a group or ends them all. */
const FIRST_VALUE_TAG = 0x10
const HEADER_BYTES = 8

/**
 * Reads a message at the beginning of `bytes`.
 * @returns the message and how long it is; `undefined` when more bytes are needed.
 * @throws RangeError when it is none.
 */
export function decodeIpp(bytes: Buffer): { message: IppMessage; length: number } | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const groups: { tag: number; attributes: { name: string; values: IppValue[] }[] }[] = []
  let at = HEADER_BYTES
  const take = (): Buffer | undefined => {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) return undefined
    const taken = bytes.subarray(at + 2, end)
    at = end
    return taken
  }
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at)
    at += 1
    if (tag === END_OF_ATTRIBUTES) return { message: { ...headOf(bytes), groups }, length: at }
    if (tag < FIRST_VALUE_TAG) {
      groups.push({ tag, attributes: [] })
      continue
    }
    const [name, value] = [take(), take()]
    if (name === undefined || value === undefined) return undefined
    const attributes = groups.at(-1)?.attributes
    if (attributes === undefined) throw new RangeError('an attribute stands before the first group')
    if (name.length > 0) attributes.push({ name: name.toString('latin1'), values: [] })
    const attribute = attributes.at(-1)
    if (attribute === undefined) throw new RangeError('the first attribute of a group has no name')
    attribute.values.push({ tag, bytes: value })
  }
  return undefined
}

/** The bytes of a message; a document may follow them. */
export function encodeIpp({ version, code, id, groups }: IppMessage): Buffer {
  const head = Buffer.alloc(HEADER_BYTES)
  head.writeUInt16BE(version, 0)
  head.writeUInt16BE(code, 2)
  head.writeUInt32BE(id, 4)
  const parts = groups.flatMap(({ tag, attributes }) => [
    Buffer.of(tag),
    ...attributes.flatMap(({ name, values }) =>
      values.flatMap((value, index) => [
        Buffer.of(value.tag),
        counted(index === 0 ? Buffer.from(name, 'latin1') : Buffer.alloc(0)),
        counted(value.bytes),
      ]),
    ),
  ])
  return Buffer.concat([head, ...parts, Buffer.of(END_OF_ATTRIBUTES)])
}

/** An attribute of texts: names, keywords, addresses. */
export function ippText(tag: number, name: string, ...texts: readonly string[]): IppAttribute {
  return { name, values: texts.map((text) => ({ tag, bytes: Buffer.from(text) })) }
}

/** An attribute of numbers: integers, or those of a list that the protocol keeps. */
export function ippNumber(
  tag: typeof IPP_TAG.integer | typeof IPP_TAG.enum,
  name: string,
  ...numbers: readonly number[]
): IppAttribute {
  const bytesOf = (number: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(number)
    return bytes
  }
  return { name, values: numbers.map((number) => ({ tag, bytes: bytesOf(number) })) }
}

/** The first value of an attribute of a group, as text; `undefined` when there is none. */
export function ippTextOf(group: IppGroup | undefined, name: string): string | undefined {
  return valueOf(group, name)?.bytes.toString('utf8')
}

/** The same of a number, or of a boolean, which is 0 or 1. */
export function ippNumberOf(group: IppGroup | undefined, name: string): number | undefined {
  const bytes = valueOf(group, name)?.bytes
  return bytes?.length === 4 ? bytes.readInt32BE(0) : bytes?.length === 1 ? bytes.readUInt8(0) : undefined
}

function valueOf(group: IppGroup | undefined, name: string): IppValue | undefined {
  return group?.attributes.find((attribute) => attribute.name === name)?.values[0]
}

function headOf(bytes: Buffer): Pick<IppMessage, 'version' | 'code' | 'id'> {
  return { version: bytes.readUInt16BE(0), code: bytes.readUInt16BE(2), id: bytes.readUInt32BE(4) }
}

function counted(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
