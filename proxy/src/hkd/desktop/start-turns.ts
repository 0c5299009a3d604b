import { Batch } from '@ostler/kit/batch.ts'
import type { Gate } from '@ostler/kit/gate.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { LoadBalancer } from '../../balance/balancer.ts'
import type { Hypervisors } from '../../hypervisor/hypervisor.ts'
import { drawOf, type HostLoad } from '../../model/host.ts'
import { startOrder } from '../../model/start-queue.ts'
import type { Db } from '../../store/open.ts'
import { refuseStart } from '../../store/slo.ts'
import { holdVm, readStartQueue } from '../../store/start-queue.ts'
import { NOT_YET, type Placed, type PlaceRequest, placeVms } from '../../store/placing.ts'
import { serveWishes, type Transition, type VmPlan } from '../../store/vms.ts'
import type { HkdMetrics } from '../hkd-metrics.ts'
import { ImageWork } from './image-work.ts'
import { wantedBy } from './boot-spec.ts'

export interface StartTurnsParts {
  readonly db: Db
  readonly hostId: number
  readonly hypervisors: Hypervisors
  readonly balancer: LoadBalancer
  /** Why no desktop can start from an image here yet, in words. */
  readonly holds?: (image: NonNullable<VmPlan['image']>) => string | undefined
  /** How many disk images are worked on at once. */
  readonly imageGate: Gate
  readonly metrics: HkdMetrics
  readonly log: Log
}

/** While some are being placed, others gather; so many are placed together. */
const PLACED_AT_ONCE = 500

/** Which desktops may start now: what is in their way, where they are placed, and who is next. */
export class StartTurns implements Disposable {
  readonly #parts: StartTurnsParts
  readonly #look: (id: number) => void
  readonly #images: ImageWork
  readonly #placing: Batch<PlaceRequest, Placed>
  /** Desktops whose turn had not come when we last looked. */
  readonly #waiting = new Set<number>()
  #closed = false

  /** @param look called with the number of a desktop whose turn may have come. */
  constructor(parts: StartTurnsParts, look: (id: number) => void) {
    this.#parts = parts
    this.#look = look
    const { imageGate: gate, log } = parts
    this.#placing = new Batch((requests) => placeVms(parts.db, requests, parts.hostId), PLACED_AT_ONCE)
    this.#images = new ImageWork({ gate, log, onEnd: (id, failure) => this.#imageEnded(id, failure) })
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  has(id: number): boolean {
    return this.#waiting.has(id)
  }

  forget(id: number): void {
    this.#waiting.delete(id)
  }

  /** Looks at the desktops whose turn it is. */
  lookAtNext(): void {
    if (this.#closed) return
    readStartQueue(this.#parts.db)
      .then((queue) => startOrder(queue).slice(0, queue.free))
      .then((ids) => ids.forEach((id) => this.#look(id)))
      .catch((error: unknown) => this.#parts.log.warn('the queue of starts could not be read', { error }))
  }

  /** Says whether nothing but its turn keeps a desktop from starting; what its image needs is begun. */
  async isAble(plan: VmPlan): Promise<boolean> {
    const { db, hypervisors } = this.#parts
    const hypervisor = hypervisors.by(wantedBy(hypervisors, plan))
    const { image } = plan
    const held = image === null ? undefined : this.#parts.holds?.(image)
    if (held !== undefined) {
      if (await holdVm(db, plan.id, held)) this.lookAtNext()
      return false
    }
    const work = image === null ? undefined : hypervisor.imageWork?.({ image })
    if (image !== null && work !== undefined) {
      const { name } = image
      if (await holdVm(db, plan.id, `the disk image ${name} is being unpacked`)) this.lookAtNext()
      this.#images.begin(name, plan.id, work)
      return false
    }
    if (plan.held !== null) await holdVm(db, plan.id, null)
    return true
  }

  /**
   * Finds a node for a start and moves the desktop there; ends the wishes for it, with the reason, when there is none.
   * @returns the number of the boot; `NOT_YET` while it waits for its turn; `undefined` when its row has changed meanwhile.
   */
  async place(plan: VmPlan, move: Transition): Promise<number | undefined | typeof NOT_YET> {
    const { db } = this.#parts
    const { memoryMb } = plan.flavour
    const choose = (hosts: readonly HostLoad[]): number | undefined =>
      this.#parts.balancer.choose(hosts, { memoryMb, draw: drawOf(plan) })
    const placed = await this.#placing.add({ move, memoryMb, userId: plan.ownerId, choose })
    if (placed === NOT_YET)
      this.#waiting.add(plan.id) // whoever frees a place looks at it
    else this.#waiting.delete(plan.id)
    if (typeof placed !== 'object') return placed
    this.#parts.metrics.failed('refused')
    await refuseStart(db, plan, placed.refusal)
    await serveWishes(db, plan.id, 'up', placed.refusal)
    this.lookAtNext() // it was in the way of others
    return undefined
  }

  [Symbol.dispose](): void {
    this.#closed = true
  }

  /** The next look finds the image; where the work failed, whoever waits is told why. */
  async #imageEnded(id: number, failure: string | undefined): Promise<void> {
    try {
      if (failure !== undefined) {
        await serveWishes(this.#parts.db, id, 'up', failure)
        await holdVm(this.#parts.db, id, null)
      }
    } catch (error) {
      this.#parts.log.error('the end of image work could not be told', { vm: id, error })
    }
    this.#look(id)
  }
}
