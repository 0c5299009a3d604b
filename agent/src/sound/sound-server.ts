import type { Account } from '@ostler/kit/passwd.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { AgentValues } from '../config/options.ts'
import { sessionEnvironment } from '../desktop/environment.ts'
import type { AsUser } from '../platform/linux/as-user.ts'

/** How what we load into the user's sound server is called, as with QVD. */
export const SINK = 'QVD_Audio'
export const MICROPHONE = 'QVD_Microphone'

const COMMAND_MS = 10_000
const START_MS = 15_000
const POLL_MS = 200

/** A server with nothing but its socket: a sink comes and goes with the client, and in between there is one that swallows. */
const SETTINGS = `.nofail
load-module module-native-protocol-unix
load-module module-always-sink
`

/** The user's sound server: the one that her session brings, PulseAudio or PipeWire's, else a PulseAudio that we start. */
export class SoundServer {
  readonly #config: () => AgentValues
  readonly #asUser: AsUser

  constructor(config: () => AgentValues, asUser: AsUser) {
    this.#config = config
    this.#asUser = asUser
  }

  /** Throws Error when there is none and none can be started. */
  async ensureRunning(account: Account, signal: AbortSignal): Promise<void> {
    if (await this.#answers(account)) return
    this.stop()
    const config = this.#config()
    const settings = config['internal.vma.pulseaudio.config']
    writeWhole(settings, SETTINGS, { mode: 0o644 })
    const log = join(config['path.run'], 'pulseaudio.log')
    rmSync(log, { force: true })
    const output = openSync(log, 'ax', 0o640)
    const steady = ['--daemonize=no', '--exit-idle-time=-1', '--realtime=no', '--high-priority=no']
    const child = this.#asUser(account, config['command.qvd-pulseaudio'], ['-n', '-F', settings, ...steady], {
      env: sessionEnvironment(account, undefined, 'C.UTF-8'),
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    child.unref()
    child.once('error', () => {}) // told by its silence below
    const process_ = child.pid === undefined ? undefined : identify(child.pid)
    if (process_ !== undefined) writeWhole(this.#record(), JSON.stringify(process_), { mode: 0o600 })
    const runs = await comesToHold(() => signal.aborted || this.#answers(account), START_MS, POLL_MS)
    signal.throwIfAborted()
    if (!runs) throw new Error('the sound server does not answer')
  }

  /** Ends the server that we have started, also an agent before us. */
  stop(): void {
    try {
      const process_ = JSON.parse(readFileSync(this.#record(), 'utf8')) as ProcessIdentity
      if (isAlive(process_)) signalProcess(process_, 'SIGTERM')
    } catch {
      // none was started
    }
    rmSync(this.#record(), { force: true })
  }

  /**
   * Makes the client's sound server the place where the user's programs play, and, if wanted, her microphone theirs.
   * @param port where nxagent has the channel.
   * @throws Error when the client's server does not let us in.
   */
  async join(account: Account, port: number, microphone: boolean, signal: AbortSignal): Promise<void> {
    const server = `server=tcp:127.0.0.1:${port}`
    await this.#load(account, 'sink', [`sink_name=${SINK}`, server], SINK, signal)
    await this.#pactl(account, ['set-default-sink', SINK])
    if (!microphone) return
    await this.#load(account, 'source', [`source_name=${MICROPHONE}`, server], MICROPHONE, signal)
    await this.#pactl(account, ['set-default-source', MICROPHONE])
  }

  /** Takes out what `join` has loaded; programs go on, unheard. */
  async leave(account: Account): Promise<void> {
    if (!(await this.#answers(account))) return
    const modules = (await this.#pactl(account, ['list', 'short', 'modules'])).split('\n')
    for (const line of modules) {
      const [number = '', name = '', argument = ''] = line.split('\t')
      const isOurs =
        /^module-tunnel-(sink|source)/.test(name) && /_name=QVD_(Audio|Microphone)\b/.test(argument)
      // It may end by itself in this very moment, because its client has gone.
      if (isOurs) await this.#pactl(account, ['unload-module', number]).catch(() => {})
    }
  }

  async #load(
    account: Account,
    kind: 'sink' | 'source',
    settings: readonly string[],
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    const load = (module: string): Promise<string> =>
      this.#pactl(account, ['load-module', module, ...settings])
    // PipeWire has only the name without -new.
    await load(`module-tunnel-${kind}-new`).catch(() => load(`module-tunnel-${kind}`))
    const isThere = async (): Promise<boolean> =>
      (await this.#pactl(account, ['list', 'short', `${kind}s`])).includes(`\t${name}\t`)
    const came = await comesToHold(() => signal.aborted || isThere(), COMMAND_MS, POLL_MS)
    signal.throwIfAborted()
    if (!came) throw new Error("the client's sound server does not let us in")
  }

  async #answers(account: Account): Promise<boolean> {
    return await this.#pactl(account, ['info']).then(
      () => true,
      () => false,
    )
  }

  #record(): string {
    return join(this.#config()['path.run'], 'pulseaudio.json')
  }

  /** Runs `pactl` as the user: her server listens to nobody else. */
  async #pactl(account: Account, args: readonly string[]): Promise<string> {
    const env = { ...sessionEnvironment(account, undefined, 'C.UTF-8'), LC_ALL: 'C.UTF-8' }
    const child = this.#asUser(account, this.#config()['command.pactl'], args, {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return await outputOf(child, `pactl ${args[0] ?? ''}`)
  }
}

async function outputOf(child: ChildProcess, what: string): Promise<string> {
  const late = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS)
  try {
    const [said] = await Promise.all([child.stdout === null ? '' : text(child.stdout), once(child, 'close')])
    if (child.exitCode === 0) return said
    throw new Error(`${what} ended with ${child.exitCode ?? child.signalCode ?? 'nothing'}`)
  } finally {
    clearTimeout(late)
  }
}
