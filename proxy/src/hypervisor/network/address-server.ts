import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { macOf, type Subnet } from '../../model/address.ts'
import type { Resident } from './ruleset.ts'

export interface AddressServerSettings {
  /** A folder of root's for its configuration and its process number. */
  readonly folder: string
  readonly hostsFile: string
  readonly logFile: string
  readonly bridge: string
  readonly subnet: Subnet
  readonly start: string
  readonly macPrefix: string
  /** The desktops' domain; empty: none. */
  readonly domain: string
}

const LOOK_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
const END_MS = 5_000

/**
 * Gives the desktops of this node their addresses by DHCP, and answers their questions of DNS as the node would: dnsmasq, on
 * the bridge alone, as nobody. It outlives us, for desktops renew what they have; whoever comes next finds it again.
 */
export class AddressServer implements Disposable {
  readonly #settings: AddressServerSettings
  readonly #log: Log
  readonly #residents = new Map<number, string>()
  readonly #timer: NodeJS.Timeout
  /** It has not been told of the newest hosts. */
  #untold = true
  #pauseMs = LOOK_MS
  #startAt = 0

  /**
   * Starts it, or takes over the one that runs, and looks after it from then on.
   * @throws Fault `config.invalid` for values that cannot stand in its configuration.
   */
  constructor(settings: AddressServerSettings, residents: readonly Resident[], log: Log) {
    refuseUnsafe(settings)
    this.#settings = settings
    this.#log = log
    for (const { id, address } of residents) this.#residents.set(id, address)
    mkdirSync(settings.folder, { recursive: true, mode: 0o755 })
    writeWhole(configOf(settings), configuration(settings), { mode: 0o644 })
    this.#writeHosts()
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
  }

  /** Reserves a desktop's address for its hardware address. */
  admit({ id, address }: Resident): Promise<void> {
    if (this.#residents.get(id) !== address) {
      this.#residents.set(id, address)
      this.#writeHosts()
    }
    return Promise.resolve()
  }

  /** Gives a desktop's address to nobody any more. */
  dismiss(id: number): Promise<void> {
    if (this.#residents.delete(id)) this.#writeHosts()
    return Promise.resolve()
  }

  /** Looks after it no more; it goes on. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #writeHosts(): void {
    const { macPrefix, hostsFile } = this.#settings
    const lines = [...this.#residents.values()].map((address) => `${macOf(macPrefix, address)},${address}\n`)
    writeWhole(hostsFile, lines.join(''), { mode: 0o644 })
    this.#untold = true
    this.#look()
  }

  #look(): void {
    const running = find(this.#settings.folder)
    if (running === undefined) this.#start()
    else if (this.#untold) this.#untold = !signalProcess(running, 'SIGHUP')
    else if (performance.now() > this.#startAt) this.#pauseMs = LOOK_MS
  }

  /** It may need a while until it is found, and may end at once: the next start waits ever longer. */
  #start(): void {
    if (performance.now() < this.#startAt) return
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS)
    this.#startAt = performance.now() + this.#pauseMs
    this.#untold = true
    const child = spawn('dnsmasq', argumentsOf(this.#settings.folder), {
      detached: true,
      stdio: 'ignore',
      env: DEFAULT_ENV,
    })
    child.on('error', (error) => this.#log.error('dnsmasq could not be started', { error }))
    child.on('exit', (exitCode, signal) =>
      this.#log.error('dnsmasq has ended', { exitCode, signal, log: this.#settings.logFile }),
    )
    child.unref()
  }
}

/** Ends what an `AddressServer` left running, if anything. */
export async function stopAddressServer(folder: string): Promise<void> {
  const running = find(folder)
  if (running === undefined) return
  signalProcess(running, 'SIGTERM')
  await comesToHold(() => !isAlive(running), END_MS, 20)
  signalProcess(running, 'SIGKILL')
}

/** The one that runs with our configuration. The number alone may be somebody else's by now. */
function find(folder: string): ProcessIdentity | undefined {
  try {
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, -1)
    return argv.join('\0') === argumentsOf(folder).join('\0') ? identify(pid) : undefined
  } catch {
    return undefined
  }
}

function argumentsOf(folder: string): string[] {
  return ['--keep-in-foreground', `--conf-file=${join(folder, 'dnsmasq.conf')}`]
}

function configOf({ folder }: AddressServerSettings): string {
  return join(folder, 'dnsmasq.conf')
}

function configuration(settings: AddressServerSettings): string {
  const { folder, hostsFile, logFile, bridge, subnet, start, domain } = settings
  const mask = [24, 16, 8, 0]
    .map((shift) => ((2 ** 32 - 2 ** (32 - subnet.prefix)) >>> shift) & 255)
    .join('.')
  return [
    'user=nobody',
    'group=nogroup',
    `pid-file=${join(folder, 'pid')}`,
    `log-facility=${logFile}`,
    'log-dhcp',
    'bind-interfaces',
    `interface=${bridge}`,
    'except-interface=lo',
    // Nobody gets an address but by the list, and what is given is known from the list alone.
    `dhcp-range=${start},static,${mask}`,
    `dhcp-hostsfile=${hostsFile}`,
    'leasefile-ro',
    'dhcp-authoritative',
    'dhcp-lease-max=50000',
    `dhcp-option=option:router,${subnet.gateway}`,
    `dhcp-option=option:dns-server,${subnet.gateway}`,
    ...(domain === '' ? [] : [`domain=${domain}`]),
    // The node's own names and private networks are not the desktops' business.
    'no-hosts',
    'domain-needed',
    'bogus-priv',
    '',
  ].join('\n')
}

/** A line break would begin another option; a comma, another word of one. */
function refuseUnsafe({ domain, hostsFile, logFile, folder, bridge, start }: AddressServerSettings): void {
  const values = { 'vm.network.domain': domain, 'vm.network.bridge': bridge, 'vm.network.ip.start': start }
  const paths = { 'internal.vm.network.dhcp-hostsfile': hostsFile, 'path.log': logFile, 'path.run': folder }
  const problems = [
    ...Object.entries(values).filter(([, value]) => !/^[\w.-]*$/.test(value)),
    ...Object.entries(paths).filter(([, value]) => !/^[\w./@+-]+$/.test(value)),
  ].map(([key, value]) => `${key}: ${JSON.stringify(value)} cannot stand in a configuration`)
  if (problems.length > 0) throw new Fault('config.invalid', { problems: problems.join('\n') })
}
