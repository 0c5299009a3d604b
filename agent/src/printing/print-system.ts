import { comesToHold } from '@ostler/kit/poll.ts'
import { run, type RunOptions } from '@ostler/kit/run.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentValues } from '../config/options.ts'
import type { ClientPrinter } from './client-printers.ts'
import { QUEUE_PREFIX, queueNames } from './queue-name.ts'

const COMMAND_MS = 20_000
const START_MS = 20_000
const POLL_MS = 250
/** What our queues look like besides their name: a channel of nxagent's on the loopback. */
const OUR_DEVICE = /^(ipp:\/\/127\.0\.0\.1|smb:\/\/LOCALHOST):\d+\//i

/**
 * The desktop's own CUPS, by its programs. Our queues are not remembered: they are known by name and device, so that
 * whatever an agent left that was killed is found.
 */
export class PrintSystem {
  readonly #config: () => AgentValues

  constructor(config: () => AgentValues) {
    this.#config = config
  }

  /** Whether its daemon answers. */
  async isRunning(): Promise<boolean> {
    const said = await this.#run('command.lpstat', ['-r']).catch(() => '')
    return said.includes('is running')
  }

  /** Starts its daemon when it does not run. Throws RunError, or Error when it does not come to answer. */
  async ensureRunning(signal: AbortSignal): Promise<void> {
    if (await this.isRunning()) return
    const unit = this.#config()['internal.vma.systemd.cups'].replaceAll("'", '')
    if (this.#config()['internal.vma.use.systemctl'])
      await this.#run('command.systemctl', ['start', unit], { signal })
    else await this.#run('command.init_d.cups', ['start'], { signal })
    const runs = await comesToHold(() => signal.aborted || this.isRunning(), START_MS, POLL_MS)
    signal.throwIfAborted()
    if (!runs) throw new Error('the printing service does not answer')
  }

  /** Our queues, as far as its daemon runs. */
  async queues(): Promise<string[]> {
    const said = await this.#run('command.lpstat', ['-v']).catch(() => '')
    return said.split('\n').flatMap((line) => {
      const [, name = '', device = ''] = /^device for ([^\s:]+): (.*)$/.exec(line) ?? []
      return name.startsWith(QUEUE_PREFIX) && OUR_DEVICE.test(device) ? name : []
    })
  }

  /**
   * Makes a queue for each printer, for this user alone, and the client's default printer the desktop's.
   * @returns the names of the queues. What cannot be made is told to `complain` and left out.
   */
  async add(
    printers: readonly ClientPrinter[],
    user: string,
    complain: (printer: string, error: unknown) => void,
    signal: AbortSignal,
  ): Promise<string[]> {
    const names = queueNames(printers.map(({ name }) => name))
    const made: string[] = []
    for (const [index, printer] of printers.entries()) {
      signal.throwIfAborted()
      const name = names[index] ?? ''
      try {
        await this.#addQueue(name, printer, user, signal)
        if (printer.isDefault) await this.#makeDefault(name, signal)
        made.push(name)
      } catch (error) {
        complain(printer.name, error)
      }
    }
    return made
  }

  /** Removes our queues with their jobs; the desktop's own default printer is the default one again. Tells which they were. */
  async clear(): Promise<string[]> {
    const queues = await this.queues()
    for (const name of queues) await this.#run('command.lpadmin', ['-x', name])
    const former = this.#formerDefault()
    if (former === undefined) return queues
    // That printer may have gone meanwhile.
    if (former !== '') await this.#run('command.lpadmin', ['-d', former]).catch(() => {})
    rmSync(this.#defaultFile(), { force: true })
    return queues
  }

  async #addQueue(name: string, printer: ClientPrinter, user: string, signal: AbortSignal): Promise<void> {
    const words = ['-D', printer.info, '-L', printer.location, '-u', `allow:${user}`]
    const args = ['-p', name, '-E', '-v', printer.uri, ...printer.model, ...words]
    await this.#run('command.lpadmin', [...args, '-o', 'printer-is-shared=false'], { signal })
  }

  async #makeDefault(name: string, signal: AbortSignal): Promise<void> {
    const said = await this.#run('command.lpstat', ['-d'], { signal })
    const former = /^system default destination: (\S+)$/m.exec(said)?.[1] ?? ''
    if (!former.startsWith(QUEUE_PREFIX)) {
      mkdirSync(this.#config()['path.vma.run.printing'], { recursive: true, mode: 0o755 })
      writeWhole(this.#defaultFile(), former, { mode: 0o600 })
    }
    await this.#run('command.lpadmin', ['-d', name], { signal })
  }

  /** The desktop's own default printer, where a client's has taken its place; empty when it had none. */
  #formerDefault(): string | undefined {
    try {
      return readFileSync(this.#defaultFile(), 'utf8')
    } catch {
      return undefined
    }
  }

  #defaultFile(): string {
    return join(this.#config()['path.vma.run.printing'], 'former-default')
  }

  async #run(command: CupsCommand, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await run(this.#config()[command], args, { timeoutMs: COMMAND_MS, ...options })).stdout
  }
}

type CupsCommand = 'command.lpadmin' | 'command.lpstat' | 'command.systemctl' | 'command.init_d.cups'
