import { IPP_GROUP, ippTextOf } from '@ostler/kit/ipp.ts'
import { callIpp, getPrinters, type IppPlace } from '@ostler/kit/ipp-call.ts'
import { existsSync } from 'node:fs'

const SOCKETS = ['/run/cups/cups.sock', '/var/run/cups/cups.sock']
const IPP_PORT = 631
const LISTING_MS = 10_000

/** Where the user's programs would find their print server: `CUPS_SERVER`, else the system's socket, else port 631. */
export function cupsPlace(environment: NodeJS.ProcessEnv): IppPlace {
  const told = environment['CUPS_SERVER'] ?? ''
  if (told.startsWith('/')) return { socketPath: told }
  const match = /^(\[[^\]]+\]|[^:/]+)(?::(\d{1,5}))?(?:\/version=[\d.]+)?$/.exec(told)
  if (match !== null)
    return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2] ?? IPP_PORT) }
  const socketPath = SOCKETS.find((path) => existsSync(path))
  return socketPath === undefined ? { host: 'localhost', port: IPP_PORT } : { socketPath }
}

/** The names of the user's printers. Throws what `callIpp` throws. */
export async function listPrinters(place: IppPlace, signal: AbortSignal): Promise<string[]> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(LISTING_MS)])
  const answer = await callIpp(place, { message: getPrinters('printer-name') }, soon)
  return answer.groups
    .filter(({ tag }) => tag === IPP_GROUP.printer)
    .flatMap((group) => ippTextOf(group, 'printer-name') ?? [])
}
