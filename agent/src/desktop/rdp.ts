import type { AgentHandlers } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { run } from '@ostler/kit/run.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { sessionEnvironment } from './environment.ts'
import { freeName } from './free-name.ts'
import { giveSocket } from './give-socket.ts'
import { showToViewer } from './rfb.ts'
import type { ViewerParts } from './viewer.ts'

const ROOT = 0
const LISTEN_MS = 10_000
const LOOK_MS = 20

/** xrdp while it serves one user. */
interface Running {
  readonly account: Account
  readonly program: ChildProcess
  readonly rfb: Server
}

/**
 * RDP in front of the session: Debian's xrdp, as the user herself, started when somebody first wants it. It listens
 * on a unix socket of the display folder and sees the session as a VNC client does; so all who open the desktop, by
 * whichever display, are in the same session. The door has asked who she is: xrdp asks nothing, and what it says is
 * not encrypted, for it never leaves the node but through the door.
 */
export class RdpDisplay implements AsyncDisposable {
  readonly #place: { readonly socket: string; readonly owner: number }
  readonly #parts: ViewerParts
  #running: Running | undefined
  #opening: Promise<void> | undefined

  /** @param place the socket, and the node user who alone may open it. */
  constructor(place: { socket: string; owner: number }, parts: ViewerParts) {
    this.#place = place
    this.#parts = parts
  }

  /** Makes `x_start` open this display too. */
  serve(start: AgentHandlers['x_start']): AgentHandlers['x_start'] {
    return async (input) => {
      if (input.display !== 'rdp') return await start(input)
      this.#requireXrdp()
      const answer = await start(input)
      if (answer.ready) await this.#open()
      return answer
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opening?.catch(() => {})
    this.#close()
  }

  /** @throws Fault `display.missing`. */
  #requireXrdp(): void {
    const config = this.#parts.config()
    for (const command of [config['command.xrdp'], config['command.xrdp-keygen']])
      if (!existsSync(command))
        throw new Fault('display.missing', { display: 'rdp', reason: `${command} is not in this desktop` })
  }

  #open(): Promise<void> {
    this.#opening ??= this.#tryOpen().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /** @throws Fault `session.failed` when xrdp does not come up, `session.busy` when there is no session. */
  async #tryOpen(): Promise<void> {
    const { account, state } = this.#parts.session
    if (account === undefined) throw new Fault('session.busy', { state })
    const running = this.#running
    if (running?.account.uid === account.uid && isAlive(running.program) && existsSync(this.#place.socket))
      return
    this.#close()
    try {
      await this.#start(account)
    } catch (cause) {
      this.#close()
      if (cause instanceof Fault) throw cause
      const reason = `xrdp: ${cause instanceof Error ? cause.message : String(cause)}`
      throw new Fault('session.failed', { reason }, { cause })
    }
  }

  async #start(account: Account): Promise<void> {
    const { asUser, config, log } = this.#parts
    const values = config()
    const folder = join(values['path.run'], 'rdp')
    mkdirSync(folder, { recursive: true, mode: 0o711 })
    const [settings, keys, remembered] = [
      join(folder, 'xrdp.ini'),
      join(folder, 'rsakeys.ini'),
      join(folder, 'program.json'),
    ]
    // Of an agent that crashed: its way to the session is closed.
    if (existsSync(remembered))
      signalProcess(JSON.parse(readFileSync(remembered, 'utf8')) as ProcessIdentity, 'SIGTERM')
    rmSync(keys, { force: true })
    await run(values['command.xrdp-keygen'], ['xrdp', keys])
    writeWhole(keys, readFileSync(keys), { mode: 0o600, owner: account })
    const rfb = await this.#serveRfb(account)
    const { port } = rfb.address() as AddressInfo
    writeWhole(settings, xrdpSettings(this.#place.socket, port, keys), { mode: 0o600, owner: account })
    freeName(this.#place.socket)
    const program = asUser(account, values['command.xrdp'], ['--nodaemon', '--config', settings], {
      env: sessionEnvironment(account, undefined, values['vma.default.lang']),
      stdio: 'ignore',
    })
    program.unref()
    const identity = program.pid === undefined ? undefined : identify(program.pid)
    if (identity !== undefined) writeWhole(remembered, JSON.stringify(identity), { mode: 0o600 })
    program.once('error', (error) => log.error('xrdp could not be started', { error }))
    program.once('exit', (code, signal) => log.debug('xrdp ended', { code, signal }))
    this.#running = { account, program, rfb }
    for (const until = performance.now() + LISTEN_MS; !existsSync(this.#place.socket);) {
      if (!isAlive(program)) throw new Error(`it ended with ${program.signalCode ?? program.exitCode ?? 0}`)
      if (performance.now() > until) throw new Error('it does not listen')
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    giveSocket(this.#place.socket, [account.uid], { uid: this.#place.owner, gid: ROOT })
    log.info('rdp is there', { user: account.name })
  }

  /** The session for xrdp, which reaches it by TCP alone: on loopback, and for programs of the user only. */
  async #serveRfb(account: Account): Promise<Server> {
    const server = createServer({ pauseOnConnect: true }, (connection) => {
      connection.on('error', () => connection.destroy())
      if (loopbackPeer(connection) === account.uid) return showToViewer(this.#parts, connection)
      this.#parts.log.warn('a stranger asked for the session', { port: connection.remotePort })
      connection.destroy()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  #close(): void {
    this.#running?.rfb.close()
    this.#running?.program.kill('SIGTERM')
    this.#running = undefined
    rmSync(this.#place.socket, { force: true })
  }
}

function isAlive(program: ChildProcess): boolean {
  return program.pid !== undefined && program.exitCode === null && program.signalCode === null
}

/**
 * Settings of xrdp 0.9. `unix://.` stands before an absolute path; `autorun` leads to the one session without a
 * question. No channels: there is no program of xrdp's in the session that would serve them.
 */
function xrdpSettings(socket: string, rfbPort: number, keys: string): string {
  return `[Globals]
ini_version=1
fork=true
port=unix://.${socket}
security_layer=rdp
crypt_level=none
rsakeys_ini=${keys}
autorun=session
allow_channels=false
require_credentials=false
bitmap_cache=true
bitmap_compression=true
bulk_compression=true
max_bpp=32
use_fastpath=both

[Logging]
LogFile=/dev/null
LogLevel=ERROR
EnableSyslog=false

[session]
name=session
lib=libvnc.so
username=
password=
ip=127.0.0.1
port=${rfbPort}
`
}
