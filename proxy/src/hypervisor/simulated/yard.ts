import { Fault } from '@ostler/contract/fault.ts'
import { AGENT_SOCKET } from '@ostler/contract/identity.ts'
import { chownSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunFolder, runFolder } from '../../model/run-folder.ts'
import type { DesktopSpec, Sighting } from '../hypervisor.ts'
import { type MachineScript, parseYardRules, scriptOf, type YardRules } from './script.ts'
import { SimulatedAgent } from './simulated-agent.ts'

/** What a driver asks of a yard, by name: the verbs that change something. */
export interface YardVerbs {
  prepare(spec: DesktopSpec): Promise<void>
  boot(spec: DesktopSpec): Promise<void>
  powerOff(id: number): Promise<void>
  kill(id: number): Promise<void>
  release(id: number): Promise<void>
  reset(id: number): Promise<void>
}
export const YARD_VERBS = ['prepare', 'boot', 'powerOff', 'kill', 'release', 'reset'] as const

interface Machine {
  readonly id: number
  readonly folder: RunFolder
  /** Boots so far, this one included. */
  boots: number
  prepared: boolean
  /** What its boots have written, one word each: a script writes nothing that could be read. */
  written: readonly string[]
  script: MachineScript
  life: Life | undefined
}

/** One boot of a machine, from its beginning to the moment when nothing of it is left. */
interface Life {
  readonly abort: AbortController
  seen: 'present' | 'unknown'
  agent: SimulatedAgent | undefined
}

/** How an agent is to its callers as long as it lives. */
const MANNERS = {
  answers: 'answers',
  hangs: 'hangs',
  refuses: 'refuses',
  lies: 'lies',
  restarts: 'answers',
  dies: 'answers',
  freezes: 'answers',
} as const

/**
 * Simulated machines: in memory, by the thousand, each following its script. What they need of the node is their run folder
 * alone. They live as long as the yard, whoever drives them.
 */
export class Yard implements YardVerbs, Disposable {
  readonly #run: string
  readonly #displayGid: number
  readonly #machines = new Map<number, Machine>()
  readonly #listeners = new Set<(id: number, sighting: Sighting) => void>()
  #rules: YardRules

  /**
   * @param run `path.run`
   * @param displayGid the group that may pass through the run folders, where we are root.
   * @throws Fault `config.invalid`.
   */
  constructor(run: string, displayGid: number, rules: unknown = {}) {
    this.#run = run
    this.#displayGid = displayGid
    this.#rules = parseYardRules(rules)
  }

  /** Sets how machines behave from their next preparation or boot on. @throws Fault `config.invalid`. */
  setRules(rules: unknown): void {
    this.#rules = parseYardRules(rules)
  }

  /** All that are not absent. */
  sightings(): ReadonlyMap<number, Sighting> {
    return new Map(
      [...this.#machines.values()]
        .filter(({ life }) => life)
        .map((machine) => [machine.id, sightingOf(machine)]),
    )
  }

  /** Tells of every machine that came, went or could not be seen. @returns what stops it. */
  onChange(listener: (id: number, sighting: Sighting) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async prepare({ id, image }: DesktopSpec): Promise<void> {
    const machine = this.#machine(id)
    machine.script = scriptOf(this.#rules, { id, image: image.name }, machine.boots + 1)
    await this.#sleep(machine.script.prepareMs)
    if (machine.script.prepareFails !== undefined)
      throw new Fault('image.unusable', { image: image.name, reason: machine.script.prepareFails })
    const all = dirname(machine.folder.root)
    mkdirSync(all, { recursive: true, mode: 0o750 })
    if (process.getuid?.() === 0) chownSync(all, 0, this.#displayGid)
    for (const folder of [machine.folder.boot, machine.folder.display])
      mkdirSync(folder, { recursive: true, mode: 0o755 })
    machine.prepared = true
  }

  async boot({ id, image }: DesktopSpec): Promise<void> {
    const machine = this.#machine(id)
    const failed = (reason: string): Fault => new Fault('container.failed', { desktop: id, reason })
    if (machine.life !== undefined) return
    if (!machine.prepared) throw failed('it was not prepared')
    machine.boots += 1
    machine.written = ['overlay']
    machine.script = scriptOf(this.#rules, { id, image: image.name }, machine.boots)
    const { script } = machine
    const life: Life = {
      abort: new AbortController(),
      seen: script.unknownMs > 0 ? 'unknown' : 'present',
      agent: undefined,
    }
    machine.life = life
    this.#tell(machine)
    await this.#sleep(script.bootMs, life.abort.signal)
    if (life.abort.signal.aborted) throw failed('it was killed while it booted')
    if (script.bootFails !== undefined) {
      this.#end(machine, life)
      throw failed(script.bootFails)
    }
    this.#after(life, script.unknownMs, () => {
      life.seen = 'present'
      this.#tell(machine)
    })
    this.#after(life, script.agentMs, () => this.#startAgent(machine, life))
    this.#after(life, script.livesMs, () => this.#end(machine, life))
  }

  powerOff(id: number): Promise<void> {
    const machine = this.#machines.get(id)
    const life = machine?.life
    if (machine !== undefined && life !== undefined)
      this.#after(life, machine.script.haltMs, () => this.#end(machine, life))
    return Promise.resolve()
  }

  kill(id: number): Promise<void> {
    const machine = this.#machines.get(id)
    const life = machine?.life
    if (machine === undefined || life === undefined) return Promise.resolve()
    if (machine.script.killMs === 0) this.#end(machine, life)
    else this.#after(life, machine.script.killMs, () => this.#end(machine, life))
    return Promise.resolve()
  }

  release(id: number): Promise<void> {
    const machine = this.#machines.get(id)
    rmSync(runFolder(this.#run, id).root, { recursive: true, force: true })
    if (machine !== undefined) machine.prepared = false
    return Promise.resolve()
  }

  reset(id: number): Promise<void> {
    const machine = this.#machines.get(id)
    if (machine === undefined) return Promise.resolve()
    machine.written = []
    machine.prepared = false
    return Promise.resolve()
  }

  /** What a machine has written since its last reset. */
  written(id: number): readonly string[] {
    return this.#machines.get(id)?.written ?? []
  }

  /** Ends every machine. */
  [Symbol.dispose](): void {
    for (const machine of this.#machines.values())
      if (machine.life !== undefined) this.#end(machine, machine.life)
  }

  #machine(id: number): Machine {
    const known = this.#machines.get(id)
    if (known !== undefined) return known
    const folder = runFolder(this.#run, id)
    const script = scriptOf(this.#rules, { id, image: '' }, 1)
    const machine: Machine = { id, folder, boots: 0, prepared: false, written: [], script, life: undefined }
    this.#machines.set(id, machine)
    return machine
  }

  #startAgent(machine: Machine, life: Life): void {
    const { script, folder } = machine
    life.agent?.kill()
    life.agent = new SimulatedAgent({
      folder,
      manner: MANNERS[script.agent],
      sleep: (ms) => this.#sleep(ms, life.abort.signal),
      sessionMs: script.sessionMs,
      halt: () => void this.powerOff(machine.id),
    })
    if (script.agent === 'restarts')
      this.#after(life, script.agentLivesMs, () => this.#startAgent(machine, life))
    if (script.agent === 'dies') this.#after(life, script.agentLivesMs, () => life.agent?.kill())
    if (script.agent === 'freezes') this.#after(life, script.agentLivesMs, () => life.agent?.freeze())
  }

  #end(machine: Machine, life: Life): void {
    if (machine.life !== life) return
    machine.life = undefined
    life.abort.abort()
    life.agent?.kill()
    this.#tell(machine)
  }

  #tell(machine: Machine): void {
    const sighting = sightingOf(machine)
    for (const listener of this.#listeners) listener(machine.id, sighting)
  }

  /** Does something after some time of the machine's clock, unless this life has ended by then; `null`: never. */
  #after(life: Life, ms: number | null, act: () => void): void {
    if (ms === null) return
    void this.#sleep(ms, life.abort.signal).then(() => {
      if (!life.abort.signal.aborted) act()
    })
  }

  /** Resolves also when it is cut short. */
  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await sleep(ms / this.#rules.speed, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
}

function sightingOf({ life, folder }: Machine): Sighting {
  if (life === undefined) return { processes: 'absent' }
  return { processes: life.seen, agentAt: { socketPath: join(folder.display, AGENT_SOCKET) } }
}
