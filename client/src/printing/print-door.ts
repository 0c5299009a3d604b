import { encodeIpp, type IppMessage } from '@ostler/kit/ipp.ts'
import { callIpp, fetchPpd, type IppPlace } from '@ostler/kit/ipp-call.ts'
import { ippAnswer, type IppRequest, readIppRequest } from '@ostler/kit/ipp-request.ts'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { grantAnswer, grantRequest, IPP_REFUSAL, madeJob } from './ipp-policy.ts'

/** A way from a desktop to the user's printers, for one connection. */
export interface PrintDoorSettings {
  readonly cups: IppPlace
  readonly printers: ReadonlySet<string>
  /** The user on this machine, as the print server knows her. */
  readonly user: string
}

/** So long a desktop may be silent in the middle of a request: a page may take its time. */
const SILENT_MS = 300_000
const JOBS = 10_000
const INTERNAL_ERROR = 0x0500

/**
 * Listens on `path` and lets a desktop print to the named printers, and nothing else: whatever it asks is taken apart and
 * put together anew (docs/decisions/0054). Where the user's print server does not answer, the desktop is told so.
 *
 * @param path a unix socket in a folder that is the user's alone.
 */
export async function openPrintDoor(path: string, settings: PrintDoorSettings): Promise<AsyncDisposable> {
  const jobs = new Set<number>()
  const end = new AbortController()
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: SILENT_MS }, (request, response) => {
    serve(request, response, { ...settings, jobs }, end.signal).catch(() => response.destroy())
  })
  server.setTimeout(SILENT_MS, (socket) => socket.destroy())
  server.listen(path)
  await once(server, 'listening')
  return { [Symbol.asyncDispose]: () => closeAll(server, end) }
}

async function closeAll(server: Server, end: AbortController): Promise<void> {
  const closed = once(server, 'close')
  end.abort()
  server.close()
  server.closeAllConnections()
  await closed
}

type Grant = PrintDoorSettings & { readonly jobs: Set<number> }

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  grant: Grant,
  signal: AbortSignal,
): Promise<void> {
  if (request.method === 'GET') {
    await servePpd(request.url ?? '', response, grant, signal)
    return
  }
  const isIpp = request.method === 'POST' && request.headers['content-type'] === 'application/ipp'
  if (!isIpp) {
    response.writeHead(request.method === 'POST' ? 415 : 405, { Connection: 'close' }).end()
    return
  }
  const read = await readIppRequest(request)
  if (read === undefined) {
    response.writeHead(400, { Connection: 'close' }).end()
    return
  }
  const answer = await answerTo(read, grant, signal)
  read.document.destroy()
  const body = encodeIpp(answer)
  response.writeHead(200, { 'Content-Type': 'application/ipp', 'Content-Length': body.length }).end(body)
}

/** What describes a printer of hers, and the options that it has. */
async function servePpd(
  url: string,
  response: ServerResponse,
  grant: Grant,
  signal: AbortSignal,
): Promise<void> {
  const printer = [...grant.printers].find((name) => url === `/printers/${encodeURIComponent(name)}.ppd`)
  const ppd =
    printer === undefined ? undefined : await fetchPpd(grant.cups, printer, signal).catch(() => undefined)
  if (ppd === undefined) return void response.writeHead(404).end()
  response
    .writeHead(200, { 'Content-Type': 'application/vnd.cups-ppd', 'Content-Length': ppd.length })
    .end(ppd)
}

async function answerTo(read: IppRequest, grant: Grant, signal: AbortSignal): Promise<IppMessage> {
  const { message: asked, document } = read
  const granted = grantRequest(asked, grant)
  if (typeof granted === 'number') return ippAnswer(asked, granted)
  if (grant.jobs.size >= JOBS) return ippAnswer(asked, IPP_REFUSAL.forbidden)
  const { message, needsOwner } = granted
  try {
    // CUPS sees on its socket whether that is true.
    const headers =
      needsOwner && 'socketPath' in grant.cups ? { Authorization: `PeerCred ${grant.user}` } : {}
    const answer = await callIpp(grant.cups, { message, document, headers }, signal)
    const job = madeJob(asked, answer)
    if (job !== undefined) grant.jobs.add(job)
    return grantAnswer(asked, answer, grant)
  } catch {
    return ippAnswer(asked, INTERNAL_ERROR)
  }
}
