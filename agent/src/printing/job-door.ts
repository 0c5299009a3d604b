import { Fault } from '@ostler/contract/fault.ts'
import { PRINT_FORMATS, printFormatOf } from '@ostler/contract/slave-printers.ts'
import { untilAnswered } from '@ostler/contract/slave-call.ts'
import { MAX_PRINT_JOB } from '@ostler/contract/slave.ts'
import {
  encodeIpp,
  IPP_GROUP,
  IPP_TAG,
  type IppGroup,
  type IppMessage,
  ippNumber,
  ippText,
} from '@ostler/kit/ipp.ts'
import { ippOpening } from '@ostler/kit/ipp-call.ts'
import { ippAnswer, readIppRequest } from '@ostler/kit/ipp-request.ts'
import type { Log } from '@ostler/kit/log.ts'
import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import type { CallClient } from './slave-printers.ts'

export interface JobDoorSettings {
  /** How the client calls its printers. */
  readonly printers: ReadonlySet<string>
  readonly callClient: CallClient
  /** How long the client may be silent while it prints, in ms. */
  readonly patienceMs: number
  /** The users whose programs may print here: those of CUPS. */
  readonly users: ReadonlySet<number>
  readonly log: Log
}

/** Where the desktop's CUPS brings its jobs. */
export interface JobDoor extends AsyncDisposable {
  /** On 127.0.0.1; the printers are at `/printers/ID`. */
  readonly port: number
}

/** The operations of IPP that CUPS needs to print (RFC 8011, 4.2). */
const OPERATION = { printJob: 0x0002, validateJob: 0x0004, getPrinterAttributes: 0x000b } as const
/** Chosen by what CUPS does then: it gives the job up after the second to fourth, and tries it for ever after most others. */
const STATUS = {
  ok: 0x0000,
  tooLarge: 0x0409,
  format: 0x040a,
  failed: 0x040e,
  notFound: 0x0406,
  unsupported: 0x0501,
  busy: 0x0507,
} as const
/** A printer that idles, and a job that was printed (RFC 8011, 5.4.11 and 5.3.7). */
const [IDLE, COMPLETED] = [3, 9]

const SILENT_MS = 300_000

/**
 * Is a printer for the desktop's CUPS, for each that the client serves on the slave channel: takes a job by IPP, brings it to
 * the client, and answers when the client has. One job travels at a time.
 */
export async function openJobDoor(settings: JobDoorSettings): Promise<JobDoor> {
  const end = new AbortController()
  const turns = new Turnstile()
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const signal = AbortSignal.any([end.signal, gone.signal])
    serve(request, response, { ...settings, turns, signal }).catch(() => response.destroy())
  })
  server.on('connection', (socket) => {
    const user = loopbackPeer(socket)
    if (user === undefined || !settings.users.has(user)) socket.destroy()
  })
  server.setTimeout(SILENT_MS, (socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => closeAll(server, end),
  }
}

async function closeAll(server: Server, end: AbortController): Promise<void> {
  const closed = once(server, 'close')
  end.abort()
  server.close()
  server.closeAllConnections()
  await closed
}

type Serving = JobDoorSettings & { readonly turns: Turnstile; readonly signal: AbortSignal }

async function serve(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const isIpp = request.method === 'POST' && request.headers['content-type'] === 'application/ipp'
  const read = isIpp ? await readIppRequest(request) : undefined
  if (read === undefined) return void response.writeHead(400, { Connection: 'close' }).end()
  const printer = /^\/printers\/(\w+)$/.exec(request.url ?? '')?.[1] ?? ''
  const answer = await answerTo(read.message, read.document, printer, serving)
  read.document.destroy()
  const body = encodeIpp(answer)
  response.writeHead(200, { 'Content-Type': 'application/ipp', 'Content-Length': body.length }).end(body)
}

async function answerTo(
  asked: IppMessage,
  document: Readable,
  printer: string,
  { printers, turns, signal, ...parts }: Serving,
): Promise<IppMessage> {
  if (!printers.has(printer)) return ippAnswer(asked, STATUS.notFound)
  switch (asked.code) {
    case OPERATION.getPrinterAttributes:
      return ippAnswer(asked, STATUS.ok, [describe(printer)])
    case OPERATION.validateJob:
      return ippAnswer(asked, STATUS.ok)
    case OPERATION.printJob: {
      const status = await turns.pass(() => print(document, printer, { ...parts, signal }))
      return ippAnswer(asked, status, status === STATUS.ok ? [PRINTED] : [])
    }
    default:
      return ippAnswer(asked, STATUS.unsupported)
  }
}

/** Brings a document to the client. @returns the status for CUPS. */
async function print(
  document: Readable,
  printer: string,
  { callClient, patienceMs, log, signal }: Pick<Serving, 'callClient' | 'patienceMs' | 'log' | 'signal'>,
): Promise<number> {
  signal.throwIfAborted()
  const body = await readWhole(document)
  if (body === undefined) {
    log.warn('a job is too large for the client', { printer, longest: MAX_PRINT_JOB })
    return STATUS.tooLarge
  }
  const format = printFormatOf(body)
  if (format === undefined) {
    log.warn('a job is neither PostScript nor PDF', { printer })
    return STATUS.format
  }
  try {
    const call = { method: 'POST', path: `/printer/${printer}/printjob`, body, patienceMs } as const
    const headers = { 'Content-Type': format }
    // A client says 102 before it prints, so what ended without a word was not printed.
    const { status, text } = await untilAnswered(() => callClient({ ...call, headers }, signal), signal)
    if (status === 200) return STATUS.ok
    if (status === 503) return STATUS.busy
    throw new Fault('slave.refused', { what: 'a print job', status, text })
  } catch (error) {
    log.warn('the client has not printed a job', { printer, error })
    return STATUS.failed
  }
}

/** @returns `undefined` when it is longer than may travel. @throws Error when it breaks off. */
async function readWhole(document: Readable): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of document as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_PRINT_JOB) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

const PRINTED: IppGroup = {
  tag: IPP_GROUP.job,
  attributes: [
    ippNumber(IPP_TAG.integer, 'job-id', 1),
    ippText(IPP_TAG.uri, 'job-uri', 'ipp://localhost/jobs/1'),
    ippNumber(IPP_TAG.enum, 'job-state', COMPLETED),
    ippText(IPP_TAG.keyword, 'job-state-reasons', 'job-completed-successfully'),
  ],
}

/** What CUPS looks at before it prints (RFC 8011, 5.4). */
function describe(printer: string): IppGroup {
  const [charset, language] = ippOpening()
  return {
    tag: IPP_GROUP.printer,
    attributes: [
      ippText(IPP_TAG.uri, 'printer-uri-supported', `ipp://localhost/printers/${printer}`),
      ippText(IPP_TAG.keyword, 'uri-security-supported', 'none'),
      ippText(IPP_TAG.keyword, 'uri-authentication-supported', 'none'),
      ippText(IPP_TAG.name, 'printer-name', printer),
      ippNumber(IPP_TAG.enum, 'printer-state', IDLE),
      ippText(IPP_TAG.keyword, 'printer-state-reasons', 'none'),
      ippText(IPP_TAG.keyword, 'ipp-versions-supported', '1.1', '2.0'),
      ippNumber(IPP_TAG.enum, 'operations-supported', ...Object.values(OPERATION)),
      ...['charset-configured', 'charset-supported'].map((name) => ({ name, values: charset?.values ?? [] })),
      ...['natural-language-configured', 'generated-natural-language-supported'].map((name) => ({
        name,
        values: language?.values ?? [],
      })),
      ippText(IPP_TAG.mimeType, 'document-format-default', PRINT_FORMATS[0].type),
      // A queue without a description hands its jobs on as octets.
      ippText(
        IPP_TAG.mimeType,
        'document-format-supported',
        ...PRINT_FORMATS.map(({ type }) => type),
        'application/octet-stream',
      ),
      { name: 'printer-is-accepting-jobs', values: [{ tag: IPP_TAG.boolean, bytes: Buffer.of(1) }] },
      ippNumber(IPP_TAG.integer, 'queued-job-count', 0),
      ippText(IPP_TAG.keyword, 'pdl-override-supported', 'not-attempted'),
      ippText(IPP_TAG.keyword, 'compression-supported', 'none'),
    ],
  }
}
