import { IPP_GROUP, ippTextOf } from '@ostler/kit/ipp.ts'
import { callIpp, getDefaultPrinter, getPrinters } from '@ostler/kit/ipp-call.ts'
import { run } from '@ostler/kit/run.ts'
import { type JobDoor, type JobDoorSettings, openJobDoor } from './job-door.ts'
import { askForPrinters } from './slave-printers.ts'

/** A printer of the client's. */
export interface ClientPrinter {
  readonly name: string
  /** Where a queue sends its jobs. */
  readonly uri: string
  readonly info: string
  readonly location: string
  readonly isDefault: boolean
  /** Words of `lpadmin` that say how a document is made ready for it. */
  readonly model: readonly string[]
}

const MOST = 200
const LISTING_MS = 15_000

/**
 * The printers behind the channel `cups`. Where the client's are CUPS's own, CUPS makes their options known by itself.
 * @param port where nxagent has the channel, on the loopback.
 * @throws Error when nobody answers there.
 */
export async function ippPrinters(port: number, signal: AbortSignal): Promise<ClientPrinter[]> {
  const place = { host: '127.0.0.1', port }
  const soon = AbortSignal.any([signal, AbortSignal.timeout(LISTING_MS)])
  const wanted = getPrinters('printer-name', 'printer-info', 'printer-location')
  const listed = await callIpp(place, { message: wanted }, soon)
  const groups = listed.groups.filter(({ tag }) => tag === IPP_GROUP.printer)
  const first = await callIpp(place, { message: getDefaultPrinter() }, soon)
  const byDefault = ippTextOf(
    first.groups.find(({ tag }) => tag === IPP_GROUP.printer),
    'printer-name',
  )
  return groups.slice(0, MOST).flatMap((group) => {
    const name = ippTextOf(group, 'printer-name') ?? ''
    if (name === '') return []
    return {
      name,
      uri: `ipp://127.0.0.1:${port}/printers/${encodeURIComponent(name)}`,
      info: printable(ippTextOf(group, 'printer-info') ?? name),
      location: printable(ippTextOf(group, 'printer-location') ?? ''),
      isDefault: name === byDefault,
      model: ['-m', 'everywhere'],
    }
  })
}

/**
 * The printers that a Windows client shares, behind the channel `smb`. They get PostScript: over this channel nobody tells what a
 * printer understands.
 * @throws RunError when smbclient finds nobody there.
 */
export async function smbPrinters(
  smbclient: string,
  port: number,
  signal: AbortSignal,
): Promise<ClientPrinter[]> {
  const args = ['--list=127.0.0.1', `--port=${port}`, '--grepable', '--no-pass', '--user=%']
  const { stdout } = await run(smbclient, args, { timeoutMs: LISTING_MS, signal })
  return stdout
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([kind, name = '']) => kind === 'Printer' && name !== '')
    .slice(0, MOST)
    .map(([, name = '', comment = '']) => ({
      name,
      uri: `smb://LOCALHOST:${port}/${encodeURIComponent(name)}`,
      info: printable(comment === '' ? name : comment),
      location: '',
      isDefault: false,
      model: ['-m', 'drv:///sample.drv/generic.ppd'],
    }))
}

/**
 * The printers that a client serves on the slave channel, with what brings jobs to them. They get PostScript, as those of QVD's
 * Windows client want it; the client's driver makes of it what the printer understands.
 * @throws what `askForPrinters` throws.
 */
export async function slavePrinters(
  door: Omit<JobDoorSettings, 'printers'>,
  signal: AbortSignal,
): Promise<{ printers: ClientPrinter[]; door: JobDoor }> {
  const told = await askForPrinters(door.callClient, signal)
  const opened = await openJobDoor({ ...door, printers: new Set(told.map(({ qvd_id: id }) => id)) })
  const printers = told.map(({ qvd_id: id, name, duplex, default: isDefault }) => ({
    name: id,
    uri: `ipp://127.0.0.1:${opened.port}/printers/${id}`,
    info: printable(name),
    location: '',
    isDefault: Boolean(isDefault),
    model: [
      ...['-m', 'drv:///sample.drv/generic.ppd', ...(duplex ? ['-o', 'Option1=True'] : [])],
      // What the client has refused once is refused again.
      ...['-o', 'printer-error-policy=abort-job'],
    ],
  }))
  return { printers, door: opened }
}

/** What a client says becomes an argument and a line of a file. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 120)
}
