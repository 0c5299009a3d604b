import { Fault } from '@ostler/contract/fault.ts'
import { type PrinterList, printFormatOf } from '@ostler/contract/slave-printers.ts'
import type { SlaveAnswer, SlaveRequest, SlaveRoute } from '@ostler/contract/slave-server.ts'
import { MAX_PRINT_JOB, SLAVE_ROUTES } from '@ostler/contract/slave.ts'
import { IPP_GROUP, IPP_TAG, type IppMessage, ippNumberOf, ippText, ippTextOf } from '@ostler/kit/ipp.ts'
import { callIpp, getDefaultPrinter, getPrinters, type IppPlace, ippOpening } from '@ostler/kit/ipp-call.ts'
import { Readable } from 'node:stream'
import type { PrintDoorSettings } from './print-door.ts'

const LISTING_MS = 10_000
const PRINTING_MS = 110_000
/** Documents are in memory while they are taken in. */
const MOST_AT_ONCE = 2
/** A desktop that prints more than this in one connection is no user at work. */
const MOST_JOBS = 10_000
const PRINT_JOB = 0x0002
/** Statuses from here on are failures (RFC 8011, B.1). */
const FIRST_FAILURE = 0x0100

/**
 * The user's printers on the slave channel, as QVD 4's clients for Windows have theirs (compatibility page 5.3): a list, and
 * documents for one of the list. Her print server gets a request of ours with the document, and nothing else that the desktop
 * says (docs/decisions/0080).
 */
export function printRoutes(settings: PrintDoorSettings): SlaveRoute[] {
  const ids = printerIds([...settings.printers])
  let [running, jobs] = [0, 0]
  return [
    {
      route: SLAVE_ROUTES.printers,
      answer: async () => {
        const list: PrinterList = { Printers: await describe(ids, settings.cups) }
        return { status: 200, text: JSON.stringify(list) }
      },
    },
    {
      route: SLAVE_ROUTES.printJob,
      maxBody: MAX_PRINT_JOB,
      before: (rest) => {
        wantedPrinter(ids, rest)
        if (++jobs > MOST_JOBS) throw new Fault('slave.busy')
      },
      place: () => {
        if (running >= MOST_AT_ONCE) throw new Fault('slave.busy')
        running += 1
        return { [Symbol.dispose]: () => void (running -= 1) }
      },
      answer: async (request) => await print(wantedPrinter(ids, request.rest), request, settings),
    },
  ]
}

/** A name for addresses for each printer: letters, digits and `_`, no two the same. */
export function printerIds(printers: readonly string[]): ReadonlyMap<string, string> {
  const ids = new Map<string, string>()
  const taken = new Set<string>()
  for (const printer of printers) {
    const plain = printer.replaceAll(/\W/g, '_').slice(0, 100)
    let id = plain
    for (let number = 2; taken.has(id.toLowerCase()); number++) id = `${plain}_${number}`
    taken.add(id.toLowerCase())
    ids.set(id, printer)
  }
  return ids
}

/** @throws Fault `request.notFound` when the rest of the address is not `ID/printjob` of a printer that is offered. */
function wantedPrinter(ids: ReadonlyMap<string, string>, rest: string): string {
  const printer = ids.get(/^(\w+)\/printjob$/.exec(rest)?.[1] ?? '')
  if (printer === undefined) throw new Fault('request.notFound', { path: `/printer/${rest}` })
  return printer
}

async function describe(ids: ReadonlyMap<string, string>, cups: IppPlace): Promise<PrinterList['Printers']> {
  const signal = AbortSignal.timeout(LISTING_MS)
  const attributes = ['printer-name', 'printer-info', 'sides-supported', 'color-supported']
  const told = await callIpp(cups, { message: getPrinters(...attributes) }, signal)
  const first = await callIpp(cups, { message: getDefaultPrinter() }, signal)
  const isPrinter = ({ tag }: { readonly tag: number }): boolean => tag === IPP_GROUP.printer
  const byDefault = ippTextOf(first.groups.find(isPrinter), 'printer-name')
  const known = told.groups.filter(isPrinter)
  return [...ids].flatMap(([id, printer]) => {
    const group = known.find((each) => ippTextOf(each, 'printer-name') === printer)
    if (group === undefined) return []
    const sides = group.attributes.find(({ name }) => name === 'sides-supported')?.values.length ?? 0
    return {
      qvd_id: id,
      name: (ippTextOf(group, 'printer-info') || printer).slice(0, 200),
      ...(printer === byDefault ? { default: 1 } : {}),
      ...(sides > 1 ? { duplex: 1 } : {}),
      ...(ippNumberOf(group, 'color-supported') === 1 ? { color: 1 } : {}),
    }
  })
}

async function print(
  printer: string,
  { body, progress }: SlaveRequest,
  { cups, user }: PrintDoorSettings,
): Promise<SlaveAnswer> {
  const format = printFormatOf(body)
  if (format === undefined)
    throw new Fault('slave.forbidden', { what: 'printing this', reason: 'it is neither PostScript nor PDF' })
  await progress('printing')
  const call = { message: printJob(printer, user, format), document: Readable.from([body]) }
  try {
    const { code } = await callIpp(cups, call, AbortSignal.timeout(PRINTING_MS))
    if (code >= FIRST_FAILURE) throw new Error(`status ${code.toString(16)}`)
    return { status: 200, text: printer }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { status: 500, text: `the print server has not taken it: ${reason}` }
  }
}

function printJob(printer: string, user: string, format: string): IppMessage {
  const attributes = [
    ...ippOpening(),
    ippText(IPP_TAG.uri, 'printer-uri', `ipp://localhost/printers/${encodeURIComponent(printer)}`),
    ippText(IPP_TAG.name, 'requesting-user-name', user),
    ippText(IPP_TAG.name, 'job-name', 'A document of a desktop'),
    ippText(IPP_TAG.mimeType, 'document-format', format),
  ]
  return { version: 0x0200, code: PRINT_JOB, id: 1, groups: [{ tag: IPP_GROUP.operation, attributes }] }
}
