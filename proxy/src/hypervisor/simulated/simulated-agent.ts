import { agentApi, enrolApi, type Output, type ProcedureName, watchApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import {
  AGENT_SOCKET,
  type BootTicket,
  DISPLAY_KINDS,
  DISPLAY_SOCKETS,
  pskIdentity,
} from '@ostler/contract/identity.ts'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { RunFolder } from '../../model/run-folder.ts'

export interface SimulatedAgentParts {
  readonly folder: RunFolder
  readonly manner: 'answers' | 'hangs' | 'refuses' | 'lies'
  /** Waits for some time of the machine's clock. */
  readonly sleep: (ms: number) => Promise<void>
  readonly sessionMs: number
  /** Halts the machine. */
  readonly halt: () => void
}

const MAX_BODY = 1 << 20

/**
 * The agent of a simulated machine: it speaks the real protocol – enrolment by the boot ticket, mutual TLS, watch, the session's
 * calls – and opens nothing but two display sockets, which send back what they get.
 */
export class SimulatedAgent {
  readonly #parts: SimulatedAgentParts
  readonly #servers = new Set<Server>()
  readonly #sockets = new Set<Socket>()
  readonly #beats = new Set<NodeJS.Timeout>()
  #session = 0
  #closed = false
  #frozen = false

  /** Begins to listen. What fails later is the machine's own misfortune: its callers hear nothing. */
  constructor(parts: SimulatedAgentParts) {
    this.#parts = parts
    if (parts.manner === 'answers' || parts.manner === 'lies') this.#enrol()
    else this.#listen(createServer(), AGENT_SOCKET)
    if (parts.manner !== 'answers') return
    for (const kind of DISPLAY_KINDS) {
      const display = createServer({ allowHalfOpen: true })
      display.on('connection', (socket: Socket) => socket.pipe(socket))
      this.#listen(display, DISPLAY_SOCKETS[kind])
    }
  }

  /** Ends it as a kill would: in the middle of whatever it does. */
  kill(): void {
    this.#closed = true
    for (const beat of this.#beats) clearInterval(beat)
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** From now on it says nothing: what is open stays open, and whoever comes is let wait. */
  freeze(): void {
    for (const beat of this.#beats) clearInterval(beat)
    for (const server of this.#servers) {
      server.removeAllListeners('connection')
      server.removeAllListeners('request')
    }
    for (const socket of this.#sockets) socket.pause()
    this.#frozen = true
  }

  #listen(server: Server, name: string): void {
    const path = join(this.#parts.folder.display, name)
    this.#servers.add(server)
    server.on('error', () => {})
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('close', () => this.#sockets.delete(socket))
      if (this.#parts.manner === 'refuses') socket.destroy()
    })
    rmSync(path, { force: true })
    // Only the node's own users pass through the folders above it.
    server.listen(path, () => {
      if (!this.#closed) chmodSync(path, 0o666)
    })
  }

  #enrol(): void {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const server = createTlsServer(
      { minVersion: 'TLSv1.3', pskCallback: (_, claimed) => this.#secretFor(claimed) },
      (request, response) => {
        void answering(response, async () => {
          if (request.url === enrolApi.keyPath) {
            const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
            return this.#parts.manner === 'lies' ? { publicKey: 7 } : { publicKey }
          }
          const { certificate, authority } = enrolApi.certificate.parse(await readBody(request))
          // Asked before a restart, it may be brought to the agent after it.
          if (!new X509Certificate(certificate).checkPrivateKey(keys.privateKey))
            throw new Fault('request.invalid', { problem: 'the certificate is for another key' })
          response.once('finish', () => {
            server.close()
            this.#servers.delete(server)
            this.#serve(keys.privateKey.export({ type: 'pkcs8', format: 'pem' }), certificate, authority)
          })
          return {}
        })
      },
    )
    this.#listen(server, AGENT_SOCKET)
  }

  #serve(key: string | Buffer, cert: string, ca: string): void {
    if (this.#closed) return
    const server = createTlsServer(
      { key, cert, ca, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        if (request.url === watchApi.path) return this.#watch(response)
        const name = (request.url ?? '').slice('/vma/'.length)
        void answering(response, async () => {
          if (!Object.hasOwn(agentApi, name))
            throw new Fault('request.notFound', { path: name.slice(0, 100) })
          await readBody(request)
          return await this.#call(name as ProcedureName)
        })
      },
    )
    this.#listen(server, AGENT_SOCKET)
  }

  async #call(name: ProcedureName): Promise<unknown> {
    switch (name) {
      case 'ping':
        return { version: 'simulated' } satisfies Output<'ping'>
      case 'x_start':
        await this.#parts.sleep(this.#parts.sessionMs)
        this.#session ||= 1
        return {
          ready: true,
          state: 'listening',
          userReadyMs: 0,
          displayReadyMs: this.#parts.sessionMs,
          warnings: [],
          hooks: [],
        } satisfies Output<'x_start'>
      case 'x_state':
      case 'x_suspend':
        return { state: this.#session === 0 ? 'stopped' : 'suspended' } satisfies Output<'x_state'>
      case 'x_stop':
        return { state: 'stopped' } satisfies Output<'x_stop'>
      case 'poweroff':
        this.#parts.halt()
        return {}
      case 'expire':
        return {}
      case 'renew_key':
      case 'renew_certificate':
        throw new Fault('request.notFound', { path: name })
    }
  }

  #watch(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    const beat = (): void => {
      if (this.#frozen) return
      response.write(
        `${JSON.stringify({ state: this.#session === 0 ? 'stopped' : 'suspended', session: this.#session })}\n`,
      )
    }
    const timer = setInterval(beat, watchApi.heartbeatMs)
    this.#beats.add(timer)
    response.on('error', () => response.destroy())
    response.once('close', () => {
      clearInterval(timer)
      this.#beats.delete(timer)
    })
    beat()
  }

  #secretFor(claimed: string): Buffer | null {
    try {
      const ticket = JSON.parse(
        readFileSync(join(this.#parts.folder.boot, 'enrol.json'), 'utf8'),
      ) as BootTicket
      return claimed === pskIdentity(ticket.desktop, ticket.epoch) ? Buffer.from(ticket.secret, 'hex') : null
    } catch {
      return null // not there yet
    }
  }
}

async function answering(response: ServerResponse, step: () => Promise<unknown>): Promise<void> {
  let answer: unknown
  let status = 200
  try {
    answer = await step()
  } catch (error) {
    const fault = error instanceof Fault ? error : new Fault('request.invalid', { problem: String(error) })
    answer = fault
    status = fault.status
  }
  const body = JSON.stringify(answer)
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    .end(body)
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let body = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    body += chunk.toString('utf8')
    if (body.length > MAX_BODY) throw new Error('a body without end')
  }
  return body === '' ? {} : (JSON.parse(body) as unknown)
}
