import * as z from 'zod/mini'

/** How QVD 4's clients say that their printers are on the slave channel (compatibility page 4.7). */
export const SLAVE_FLAVOR = 'slave4'

/** A number, a boolean or nothing: QVD's clients say 1. */
const flag = z.optional(z.nullable(z.union([z.boolean(), z.number()])))

/** One printer of the client's. */
const printer = z.object({
  /** Letters, digits and `_`: it stands in addresses. */
  qvd_id: z.string().check(z.regex(/^\w{1,200}$/)),
  name: z.string().check(z.maxLength(1_000)),
  default: flag,
  duplex: flag,
  color: flag,
})

/** What `GET /printer` answers (section 5.3). */
export const printerList = z.object({ Printers: z.array(printer).check(z.maxLength(200)) })

export type PrinterList = z.infer<typeof printerList>

/** What is printed over the channel, known by its first bytes: Ghostscript prints it, and nothing else is handed to that. */
export const PRINT_FORMATS = [
  { type: 'application/postscript', begin: '%!' },
  { type: 'application/pdf', begin: '%PDF-' },
] as const

/** @returns the MIME type of a document that may be printed; `undefined` for every other. */
export function printFormatOf(document: Uint8Array): string | undefined {
  const begin = Buffer.from(document.subarray(0, 5)).toString('latin1')
  return PRINT_FORMATS.find((format) => begin.startsWith(format.begin))?.type
}
