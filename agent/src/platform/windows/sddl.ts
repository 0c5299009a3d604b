/** One entry of an access list. */
interface Ace {
  readonly allows: boolean
  /** It says something only about what will be made in this folder. */
  readonly inheritOnly: boolean
  /** Bits of an access mask; generic rights are those of files. */
  readonly rights: number
  /** A whole SID, `S-1-5-18`, or one of SDDL's two letters for those that are known to us by no other name. */
  readonly sid: string
}

/** Who may do what with a file. */
export interface SecurityDescriptor {
  readonly owner: string
  /** `undefined`: there is no list, and everybody may do everything. */
  readonly list: readonly Ace[] | undefined
}

/** Bits that let somebody change or exchange a file or folder. The first three are called otherwise for folders. */
export const RIGHT = {
  writeData: 0x2,
  appendData: 0x4,
  writeExtended: 0x10,
  deleteChild: 0x40,
  writeAttributes: 0x100,
  delete: 0x1_0000,
  writeList: 0x4_0000,
  writeOwner: 0x8_0000,
} as const

const ALL = 0x1f_01ff
const GENERIC = { GA: ALL, GX: 0x12_00a0, GW: 0x12_0116, GR: 0x12_0089 } as const
const RIGHTS: Readonly<Record<string, number>> = {
  ...GENERIC,
  ...{ FA: ALL, FX: 0x12_00a0, FW: 0x12_0116, FR: 0x12_0089 },
  // The names are those of directory services; the bits are what counts.
  ...{ CC: 0x1, DC: 0x2, LC: 0x4, SW: 0x8, RP: 0x10, WP: 0x20, DT: 0x40, LO: 0x80, CR: 0x100 },
  ...{ SD: 0x1_0000, RC: 0x2_0000, WD: 0x4_0000, WO: 0x8_0000 },
}

const SIDS: Readonly<Record<string, string>> = {
  SY: 'S-1-5-18',
  BA: 'S-1-5-32-544',
  OW: 'S-1-3-4',
}

/**
 * Reads a security descriptor in the form that Get-Acl gives (SDDL, MS-DTYP 2.5.1).
 * @throws Error when it is none, or has what is not known here: then nothing may be concluded from it.
 */
export function parseSddl(text: string): SecurityDescriptor {
  const owner = /^O:(S-1-[\d-]+|[A-Z]{2})(?=[GDS]:|$)/.exec(text)?.[1]
  if (owner === undefined) throw new Error('its owner is not told')
  const start = withoutEntries(text).indexOf('D:')
  if (start === -1) return { owner: sidOf(owner), list: undefined }
  const [flags, entries] = splitEntries(text.slice(start + 2))
  if (flags.includes('NO_ACCESS_CONTROL')) return { owner: sidOf(owner), list: undefined }
  return { owner: sidOf(owner), list: entries.map(parseAce) }
}

/** The same text with blanks where entries are, so that what stands in them is not taken for the name of a part. */
function withoutEntries(text: string): string {
  let depth = 0
  return text.replace(/[^]/g, (character) => {
    if (character === '(') depth += 1
    const inside = depth > 0
    if (character === ')') depth -= 1
    return inside ? ' ' : character
  })
}

/** What stands before the first entry, and the entries that follow each other up to the next part. */
function splitEntries(text: string): [string, string[]] {
  const open = text.search(/\(|[GS]:/)
  const entries: string[] = []
  if (open === -1 || text[open] !== '(') return [open === -1 ? text : text.slice(0, open), entries]
  let depth = 0
  let from = open
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') {
      if (depth === 0) from = at + 1
      depth += 1
    } else if (text[at] === ')') {
      depth -= 1
      if (depth === 0) entries.push(text.slice(from, at))
    } else if (depth === 0) break
  }
  if (depth !== 0) throw new Error('its access list does not end')
  return [text.slice(0, open), entries]
}

function parseAce(text: string): Ace {
  const [type = '', flags = '', rights = '', , , sid] = text.split(';')
  if (sid === undefined || !/^(S-1-[\d-]+|[A-Z]{2})$/.test(sid))
    throw new Error(`its access list has the entry (${text}), which is not known here`)
  return {
    // What is not surely a refusal counts as a permission.
    allows: !['D', 'OD', 'XD', 'ZD'].includes(type),
    inheritOnly: pairs(flags).includes('IO'),
    rights: parseRights(rights),
    sid: sidOf(sid),
  }
}

/** Numbers, or two letters for each right. Unknown letters count as everything. */
function parseRights(text: string): number {
  if (/^0[0-7]+$/.test(text)) return ofFiles(parseInt(text, 8))
  if (/^(0x[\da-f]+|\d+)$/i.test(text)) return ofFiles(Number(text))
  return pairs(text).reduce((sum, letters) => sum | (RIGHTS[letters] ?? ALL), 0)
}

/** What is written as two letters each, without anything between. */
function pairs(text: string): readonly string[] {
  return text.match(/..?/g) ?? []
}

/** Generic bits in a mask stand for what they mean to files. */
function ofFiles(mask: number): number {
  const bits = [
    [0x1000_0000, GENERIC.GA],
    [0x2000_0000, GENERIC.GX],
    [0x4000_0000, GENERIC.GW],
    [0x8000_0000, GENERIC.GR],
    [0x0200_0000, ALL], // whatever can be had
  ] as const
  return bits.reduce((sum, [bit, rights]) => ((mask & bit) === 0 ? sum : sum | rights), mask & ALL)
}

function sidOf(text: string): string {
  return SIDS[text] ?? text
}
