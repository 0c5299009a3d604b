import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { run as runProgram } from '@ostler/kit/run.ts'
import { type CgroupLayout, processesIn, removeGroups } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import { overlayKeepersOf } from '@ostler/proxy/hypervisor/storage/overlay-lock.ts'
import { commandLine } from '../fixtures/world.ts'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalNode } from '../../scripts/local-node.ts'

/** As `ostler-hkd.service` has it. */
const RESTART_MS = 2_000
const LOOK_MS = 100
const DEAD_MS = 10_000

/** One of several nodes: its real hkd, its real fence, its desktops, and whoever starts hkd again as systemd would. */
export class Member implements AsyncDisposable {
  readonly index: number
  readonly name: string
  readonly node: LocalNode
  readonly #cgroups: CgroupLayout
  readonly #watching: Promise<void>
  /** False while nobody is to start hkd: it is off, or was ended for a while. */
  #isWanted = false
  #closed = false

  constructor(index: number, node: LocalNode, cgroups: CgroupLayout) {
    this.index = index
    this.node = node
    this.#cgroups = cgroups
    this.name = node.settings.prefix.replace(/-$/, '')
    this.#watching = this.#watch()
  }

  /** Starts hkd, and keeps it up from now on. @throws Error with its last words. */
  async start(): Promise<void> {
    await this.node.start('hkd').catch((cause: unknown) => {
      throw new Error(`${this.name} does not start: ${this.node.output('hkd').slice(-2_000)}`, { cause })
    })
    this.#isWanted = true
  }

  /** Lets whoever keeps hkd up start it again. */
  want(): void {
    this.#isWanted = true
  }

  /** hkd dies, and nobody starts it. */
  async killHkd(): Promise<void> {
    this.#isWanted = false
    await this.node.crash('hkd').catch(() => {})
  }

  signalHkd(signal: NodeJS.Signals): void {
    const { hkd } = this
    if (hkd !== undefined) signalProcess(hkd, signal)
  }

  /** The process that was started last, while it lives. */
  get hkd(): ProcessIdentity | undefined {
    try {
      const hkd = this.node.process('hkd')
      return isAlive(hkd) ? hkd : undefined
    } catch {
      return undefined // never started
    }
  }

  get fence(): ProcessIdentity | undefined {
    return pidFileHolder(join(this.node.settings.folder, 'run/fence.pid'))
  }

  signalFence(signal: NodeJS.Signals): void {
    const { fence } = this
    if (fence !== undefined) signalProcess(fence, signal)
  }

  /** All that a power cut ends: hkd, fence, desktops, and what keeps locks; also what is just being started, and names its folder. */
  processes(): ProcessIdentity[] {
    const group = join(this.#cgroups.counted, 'ostler')
    const names = existsSync(group) ? readdirSync(group) : []
    const pids = [
      ...names.filter((name) => name.startsWith(this.node.settings.prefix)).map((name) => join(group, name)),
    ].flatMap((path) => processesIn(path))
    const others = [...new Set([...pids, ...overlayKeepersOf(this.name), ...this.#ofItsFolder()])].flatMap(
      (pid) => identify(pid) ?? [],
    )
    return [...[this.hkd, this.fence].filter((each) => each !== undefined), ...others]
  }

  /** Whoever has a file of the node's run folder in its command line: what it starts, before that is in a control group. */
  #ofItsFolder(): number[] {
    const run = join(this.node.settings.folder, 'run/')
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
    return pids.filter((pid) => pid !== process.pid && commandLine(pid).includes(run))
  }

  signalAll(signal: NodeJS.Signals): void {
    for (const each of this.processes()) signalProcess(each, signal)
  }

  /** Whatever runs is gone from one moment to the next, and so is what lay in memory: `/run`. */
  async powerOff(): Promise<void> {
    this.#isWanted = false
    const end = performance.now() + DEAD_MS
    // First all at once, then what was just being started.
    for (let left = this.processes(); left.length > 0; left = this.processes()) {
      for (const each of left) signalProcess(each, 'SIGKILL')
      await this.node.crash('hkd').catch(() => {})
      if (performance.now() > end) throw new Error(`${this.name} cannot be switched off`)
      await sleep(5)
    }
    for (const id of this.groups()) await removeGroups(this.#cgroups, `${this.node.settings.prefix}${id}`)
    const run = join(this.node.settings.folder, 'run')
    await this.#unmountBelow(run)
    for (const name of existsSync(run) ? readdirSync(run) : [])
      rmSync(join(run, name), { recursive: true, force: true })
  }

  /** Mounts are the node's own, and nobody's else. */
  async #unmountBelow(folder: string): Promise<void> {
    const [program = '', ...args] = this.node.settings.starter ?? []
    const { stdout } = await runProgram(program, [...args, 'cat', '/proc/self/mounts'])
    const points = stdout.split('\n').map((line) => line.split(' ')[1] ?? '')
    for (const point of points.toReversed())
      if (point.startsWith(`${folder}/`)) await runProgram(program, [...args, 'umount', '--lazy', point])
  }

  /** Names of control groups behind the prefix: numbers of desktops, and what keeps their homes. */
  groups(): string[] {
    const { prefix } = this.node.settings
    const all = this.#cgroups.hierarchies.flatMap((hierarchy) => {
      const folder = join(hierarchy, 'ostler')
      return existsSync(folder) ? readdirSync(folder) : []
    })
    return [...new Set(all)]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.signalAll('SIGCONT')
    await this.powerOff()
    await this.#watching
    await this.powerOff() // what was started meanwhile
  }

  async #watch(): Promise<void> {
    while (!this.#closed) {
      await sleep(LOOK_MS)
      if (!this.#isWanted || this.hkd !== undefined) continue
      await sleep(RESTART_MS)
      // What keeps it from coming up, a database that is away say, may be over at the next try.
      if (this.#mayStart()) await this.node.start('hkd').catch(() => {})
    }
  }

  #mayStart(): boolean {
    return this.#isWanted && !this.#closed
  }
}
