import { request, type RequestOptions } from 'node:http'
import type { Readable } from 'node:stream'
import {
  decodeIpp,
  encodeIpp,
  IPP_GROUP,
  IPP_TAG,
  type IppAttribute,
  type IppMessage,
  ippText,
} from './ipp.ts'

/** Where a print server listens. */
export type IppPlace = { readonly socketPath: string } | { readonly host: string; readonly port: number }

/** A request to a print server. */
export interface IppCall {
  readonly message: IppMessage
  /** What is printed. When it breaks off, so does the request. */
  readonly document?: Readable
  readonly headers?: Readonly<Record<string, string>>
}

const LONGEST_ANSWER = 8 << 20

/**
 * Asks a print server, IPP over HTTP (RFC 8010).
 * @returns its answer, whatever status that has.
 * @throws Error when it cannot be reached, refuses over HTTP, or answers what is no IPP or longer than 8 MiB;
 *   the signal's reason when that aborts.
 */
export async function callIpp(place: IppPlace, call: IppCall, signal: AbortSignal): Promise<IppMessage> {
  const headers = { 'Content-Type': 'application/ipp', ...call.headers }
  const body = await callPrintServer(place, { method: 'POST', path: '/', headers }, signal, (send) => {
    send.write(encodeIpp(call.message))
    const { document } = call
    if (document === undefined) return void send.end()
    document.once('error', (error) => send.destroy(error))
    document.once('close', () => {
      if (!document.readableEnded) send.destroy(new Error('the document broke off'))
    })
    document.pipe(send)
  })
  const answer = decodeIpp(body)
  if (answer === undefined) throw new Error('the print server answered less than a whole message')
  return answer.message
}

/** What the print server describes a printer of its own with; the rest is as with `callIpp`. */
export async function fetchPpd(place: IppPlace, printer: string, signal: AbortSignal): Promise<Buffer> {
  const path = `/printers/${encodeURIComponent(printer)}.ppd`
  return await callPrintServer(place, { method: 'GET', path }, signal, (send) => void send.end())
}

async function callPrintServer(
  place: IppPlace,
  options: Pick<RequestOptions, 'method' | 'path'> & { readonly headers?: Readonly<Record<string, string>> },
  signal: AbortSignal,
  write: (send: ReturnType<typeof request>) => void,
): Promise<Buffer> {
  // Anything but a name of its own machine is refused by CUPS.
  const host = { Host: 'localhost', ...options.headers }
  return await new Promise((resolve, reject) => {
    const send = request({ ...place, ...options, headers: host, agent: false, signal }, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > LONGEST_ANSWER) response.destroy(new Error('the print server answers without end'))
        else chunks.push(chunk)
      })
      response.once('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks))
        else reject(new Error(`the print server answered ${response.statusCode ?? 0}`))
      })
    })
    send.on('error', reject)
    write(send)
  })
}

/** What every request begins with (RFC 8011, 4.1.4). */
export function ippOpening(): IppAttribute[] {
  return [
    ippText(IPP_TAG.charset, 'attributes-charset', 'utf-8'),
    ippText(IPP_TAG.language, 'attributes-natural-language', 'en'),
  ]
}

/** Asks CUPS for its printers. */
export function getPrinters(...attributes: readonly string[]): IppMessage {
  const wanted = ippText(IPP_TAG.keyword, 'requested-attributes', ...attributes)
  return {
    version: 0x0200,
    code: 0x4002,
    id: 1,
    groups: [{ tag: IPP_GROUP.operation, attributes: [...ippOpening(), wanted] }],
  }
}

/** Asks CUPS which of them is the default one. */
export function getDefaultPrinter(): IppMessage {
  return { ...getPrinters('printer-name'), code: 0x4001 }
}
