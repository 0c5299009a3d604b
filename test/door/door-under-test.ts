import { VM_INFO_HEADER } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { selfSigned } from '@ostler/kit/certificate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { DoorMetrics } from '@ostler/proxy/l7r/door-metrics.ts'
import type { DialectTimes } from '@ostler/proxy/l7r/http/dialect.ts'
import type { DoorRequest } from '@ostler/proxy/l7r/http/request.ts'
import type { ListenSettings } from '@ostler/proxy/l7r/listen/listener.ts'
import { parseNetworks } from '@ostler/proxy/l7r/listen/networks.ts'
import type { TlsSettings } from '@ostler/proxy/l7r/listen/tls-server.ts'
import { parseTlsVersions } from '@ostler/proxy/l7r/listen/tls-words.ts'
import type { QvdEndpoints } from '@ostler/proxy/l7r/qvd-endpoints.ts'
import { replyFault, replyJson } from '@ostler/proxy/l7r/respond.ts'
import { serveDoor } from '@ostler/proxy/l7r/server.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { WebSocketServer } from 'ws'
import { exchangeRaw, type RawAnswer } from '../fixtures/raw-exchange.ts'

/** The real door of this process, with endpoints that need no database behind it. */
export interface DoorUnderTest extends AsyncDisposable {
  readonly port: number
  readonly folder: string
  /** What the door has logged, oldest first. */
  readonly lines: readonly { level: string; message: string; fields: Readonly<Record<string, unknown>> }[]
  /** The requests below `/qvd/`, in the order in which they were begun. */
  readonly requests: readonly DoorRequest[]
  /** Sends bytes over TLS and collects what comes back. */
  exchange(bytes: string | Buffer, enough?: (text: string) => boolean): Promise<RawAnswer>
}

export interface DoorOptions {
  readonly listen?: Partial<ListenSettings> & { readonly plain?: boolean }
  readonly clients?: TlsSettings['clients']
  /** Authorities of clients, and their lists of revoked certificates. */
  readonly ca?: string
  readonly crl?: string
  readonly times?: Partial<DialectTimes>
  /** What answers below `/qvd/` instead of what this file has. */
  readonly nx?: QvdEndpoints
}

const identity = await selfSigned(['localhost', '127.0.0.1'], 30)

export async function openDoor(options: DoorOptions = {}): Promise<DoorUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-door-'))
  const files = {
    given: join(folder, 'given.json'),
    key: join(folder, 'key.pem'),
    cert: join(folder, 'cert.pem'),
    ca: options.ca,
    crl: options.crl,
  }
  writeFileSync(files.key, identity.key, { mode: 0o600 })
  writeFileSync(files.cert, identity.certificate)
  const { plain = false, ...listen } = options.listen ?? {}
  const lines: DoorUnderTest['lines'][number][] = []
  const log = recordingLog(lines)
  const requests: DoorRequest[] = []
  const webSockets = new WebSocketServer({ noServer: true })
  const tls = {
    files,
    versions: parseTlsVersions(''),
    ciphers: undefined,
    clients: options.clients ?? 'not asked',
  }
  try {
    const door = await serveDoor({
      listen: {
        address: '127.0.0.1',
        port: 0,
        tls: plain ? undefined : tls,
        balancers: parseNetworks(''),
        perAddress: 0,
        ...listen,
      },
      nx: options.nx ?? endpoints(requests, log),
      browser: {
        owns: (path) => path === '/portal/socket',
        connect: (request, socket, head) => {
          webSockets.handleUpgrade(request, socket, head, (webSocket) => {
            webSocket.on('message', (data: Buffer) => webSocket.send(`echo ${data.toString()}`))
          })
          return Promise.resolve()
        },
      },
      ticketed: { owns: () => false, connect: (_, socket) => Promise.resolve(void socket.destroy()) },
      portal,
      ...(options.times === undefined ? {} : { times: options.times }),
      keepAliveMs: 0,
      metrics: new DoorMetrics(),
      stopping: new AbortController().signal,
      log,
    })
    return {
      port: door.port,
      folder,
      lines,
      requests,
      exchange: (bytes, enough) =>
        exchangeRaw({ host: '127.0.0.1', port: door.port }, bytes, enough, plain ? undefined : TRUSTING),
      [Symbol.asyncDispose]: async () => {
        await door[Symbol.asyncDispose]()
        rmSync(folder, { recursive: true })
      },
    }
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}

/** How a client of the tests speaks TLS: it believes in every certificate. */
export const TRUSTING: ConnectionOptions = { rejectUnauthorized: false }

/** A TLS connection to the door that is ready, and what it has said so far. */
export async function openClient(door: DoorUnderTest, tls: ConnectionOptions = {}) {
  const socket = connect({ host: '127.0.0.1', port: door.port, ...TRUSTING, ...tls })
  const heard = { text: '', pieces: [] as string[], closed: false }
  socket.on('data', (piece: Buffer) => {
    heard.text += piece.toString('latin1')
    heard.pieces.push(piece.toString('latin1'))
  })
  socket.on('close', () => (heard.closed = true))
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  return { socket, heard, [Symbol.dispose]: () => void socket.destroy() }
}

/** Answers as QVD's endpoints do, and tells what it was asked. */
function endpoints(requests: DoorRequest[], log: Log): QvdEndpoints {
  return {
    owns: (path) => path.startsWith('/qvd/'),
    handle: async (request, reply) => {
      requests.push(request)
      const { method, path, parameters, headers, connection } = request
      if (method === 'GET' && path === '/qvd/ping')
        return void reply.final(200, 'text/plain', 'I am alive!\r\n')
      if (method === 'GET' && path === '/qvd/list_of_vm') return void replyJson(reply, [{ name: 'Büro' }])
      if (method === 'GET' && path === '/qvd/slow') {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return void reply.final(200, 'text/plain', 'slow\r\n')
      }
      if (method === 'GET' && path === '/qvd/echo')
        return void replyJson(reply, {
          parameters: Object.fromEntries(parameters),
          headers: Object.fromEntries(headers),
          address: connection.address,
          certificate: connection.certificate ?? null,
        })
      if (method === 'GET' && path === '/qvd/stop_vm') {
        reply.interim(`Stopping ${parameters.get('id') ?? ''}`)
        return void reply.final(200, 'text/plain', 'Machine stopped\r\n')
      }
      if (method === 'GET' && path === '/qvd/who')
        return void replyFault(reply, new Fault('auth.required'), log)
      return void replyFault(reply, new Fault('request.notFound', { path }), log)
    },
    connect: (request, socket, head) => {
      requests.push(request)
      socket.on('error', () => socket.destroy())
      socket.write(`HTTP/1.1 102 Processing\r\n${VM_INFO_HEADER}: Starting\r\n\r\n`)
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      echo(socket, head)
      return Promise.resolve()
    },
  }
}

function echo(socket: Duplex, head: Buffer): void {
  if (head.length > 0) socket.write(head)
  socket.on('data', (chunk) => socket.write(chunk))
  socket.on('end', () => socket.end())
  socket.resume()
}

/** A page that says what it was asked for and how long the body was. */
function portal(request: IncomingMessage, response: ServerResponse): void {
  let length = 0
  request.on('data', (chunk: Buffer) => (length += chunk.length))
  request.on('end', () => response.end(`page ${request.method ?? ''} ${request.url ?? ''} ${length}`))
}

function recordingLog(lines: DoorUnderTest['lines'][number][]): Log {
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      lines.push({ level, message, fields })
    }
  return {
    debug: () => {},
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => recordingLog(lines),
    close: () => Promise.resolve(),
  }
}
