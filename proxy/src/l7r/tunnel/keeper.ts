import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { VmState } from '../../model/vm-machine.ts'
import type { Db } from '../../store/open.ts'
import { type TunnelGround, tunnelGrounds } from '../../store/tunnels.ts'

/** What a tunnel stands on: it is cut when that is gone. */
export interface TunnelBase {
  readonly vmId: number
  readonly epoch: number
  /** The desktop's states in which it may be open. */
  readonly states: readonly VmState[]
  /** The claim on the desktop that it belongs to; `undefined`: it belongs to none. */
  readonly seat: number | undefined
}

/** A tunnel that is looked after until it is disposed of. */
export interface KeptTunnel extends Disposable {
  /** Aborts with Fault `desktop.notRunning`, `desktop.moved` or `desktop.disconnected` when the tunnel must end. */
  readonly signal: AbortSignal
}

interface Kept {
  readonly base: TunnelBase
  readonly disconnects: number
  readonly abort: AbortController
}

/** A lost hint costs this much. */
const TICK_MS = 2_000

/** The tunnels of this l7r. They go on while the database is away. */
export class TunnelKeeper implements Disposable {
  readonly #db: Db
  readonly #log: Log
  readonly #kept = new Set<Kept>()
  readonly #timer: NodeJS.Timeout
  #away = false

  constructor(db: Db, log: Log) {
    this.#db = db
    this.#log = log
    this.#timer = setInterval(() => void this.#look([...this.#kept]), TICK_MS)
  }

  /** Looks after a tunnel from now on. @throws Fault `desktop.notRunning`, `desktop.moved`. */
  async keep(base: TunnelBase): Promise<KeptTunnel> {
    const ground = (await tunnelGrounds(this.#db, [base.vmId])).get(base.vmId)
    const kept: Kept = { base, disconnects: ground?.disconnects ?? 0, abort: new AbortController() }
    const gone = goneBy(kept, ground)
    if (gone !== undefined) throw gone
    this.#kept.add(kept)
    return { signal: kept.abort.signal, [Symbol.dispose]: () => void this.#kept.delete(kept) }
  }

  /** Looks whether the tunnels to a desktop may go on; all tunnels when the hint names none. */
  look(vmId: number | undefined): void {
    void this.#look([...this.#kept].filter(({ base }) => vmId === undefined || base.vmId === vmId))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#kept.clear()
  }

  async #look(kept: readonly Kept[]): Promise<void> {
    if (kept.length === 0) return
    try {
      const grounds = await tunnelGrounds(this.#db, [...new Set(kept.map(({ base }) => base.vmId))])
      for (const each of kept) {
        const gone = goneBy(each, grounds.get(each.base.vmId))
        if (gone !== undefined) each.abort.abort(gone)
      }
      this.#away = false
    } catch (error) {
      if (!this.#away) this.#log.warn('tunnels cannot be looked after, they go on', { error })
      this.#away = true
    }
  }
}

/** Why a tunnel has no ground any more. */
function goneBy({ base, disconnects }: Kept, ground: TunnelGround | undefined): Fault | undefined {
  if (ground?.epoch !== base.epoch || !base.states.includes(ground.state))
    return new Fault('desktop.notRunning')
  if (ground.disconnects > disconnects) return new Fault('desktop.disconnected', { by: 'an administrator' })
  if (base.seat !== undefined && ground.seat > base.seat)
    return new Fault('desktop.moved', { by: 'somebody who came later' })
  return undefined
}
