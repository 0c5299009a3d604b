import type { HookResult } from '@ostler/contract/agent-api.ts'
import type { BootTicket } from '@ostler/contract/identity.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomBytes } from 'node:crypto'
import { type AgentAddress, type AgentLink, enrolAgent, openAgentLink } from '../guest/agent-link.ts'
import { AgentAbsence, agentFailure } from '../guest/agent-failure.ts'
import type { TicketPlace } from '../hypervisor/hypervisor.ts'
import { AgentHealth } from './agent-health.ts'
import type { Trust } from './trust.ts'

export interface AgentWatchSettings {
  readonly address: AgentAddress
  /** Where the agent looks for tickets. */
  readonly tickets: TicketPlace
  readonly displayUid: number
  readonly trust: Trust
  readonly log: Log
  /** Called when the agent came up, was lost, or is otherwise than before. */
  readonly onChange: () => void
  /** Called with the result of a hook in the session of that number. */
  readonly onHook: (session: number, result: HookResult) => void
}

const ENROL_MS = 3_000
/**
 * Until a stream begins; twice as long after each time that it did not. A hundred handshakes at once on a busy node take
 * half a minute: who gave up as early each time would never be let in.
 */
const BEGIN_MS = 10_000
const LONGEST_BEGIN_MS = 60_000
const SETTLING_MS = 1_000
/** Between attempts: quick while a desktop boots, since somebody waits, slower later. */
const EAGER_MS = 20
const PATIENT_MS = 500
const EAGER_FOR_MS = 20_000
/** A third of a certificate's life; what fails is tried again for the other two. */
const RENEW_MS = 10 * 86_400_000
const RENEW_RETRY_MS = 3_600_000

/**
 * Keeps in touch with the agent of one boot: enrols it when it is new, watches it, and does both again when it
 * was restarted. Which of the two is due is found by trying: an agent in enrolment refuses our certificate, an
 * enrolled one our secret.
 */
export class AgentWatch {
  /** How the agent is, as far as it was seen. */
  readonly health: AgentHealth
  readonly #settings: AgentWatchSettings
  readonly #abort = new AbortController()
  #link: AgentLink | undefined
  /** Of the ticket that waits to be used; a guest that is slow to come up must not find each one outdated. */
  #secret: Buffer | undefined
  #up = false
  #beginMs = BEGIN_MS
  /** When the agent's certificate is to be renewed, in milliseconds since the epoch; 0: its age is not known. */
  #renewAt = 0

  /** @param fresh true when the desktop is booting: then the agent is to be enrolled first. */
  constructor(settings: AgentWatchSettings, fresh: boolean) {
    this.#settings = settings
    // What boots for the first time is not missed before it was there.
    this.health = new AgentHealth(!fresh)
    void this.#run(fresh)
  }

  /** The link while the agent answers. */
  get link(): AgentLink | undefined {
    return this.#up ? this.#link : undefined
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
    this.#settings.tickets.close()
    this.#link?.[Symbol.dispose]()
  }

  async #run(fresh: boolean): Promise<void> {
    const { signal } = this.#abort
    let enrolNext = fresh
    let lastUp = Date.now()
    let enrolledAt = 0
    while (!signal.aborted) {
      try {
        if (enrolNext) {
          await this.#enrol(signal)
          enrolledAt = Date.now()
          this.#renewAt = enrolledAt + RENEW_MS
        }
        enrolNext = false
        await this.#watch(signal)
      } catch (error) {
        // Just enrolled, the agent may still be changing over to its certificate.
        const settling = !enrolNext && Date.now() - enrolledAt < SETTLING_MS
        const wasUp = this.#up
        const reason = error instanceof Error ? error.message : String(error)
        const failed = { way: enrolNext ? 'enrol' : 'watch', failure: agentFailure(error), reason } as const
        if (failed.failure === 'silent' && !enrolNext)
          this.#beginMs = Math.min(2 * this.#beginMs, LONGEST_BEGIN_MS)
        const isNews = this.health.failed(failed, wasUp)
        enrolNext = !enrolNext && !settling
        if (this.#up) lastUp = Date.now()
        this.#setUp(false, error)
        if (isNews && !wasUp && !this.#abort.signal.aborted) this.#settings.onChange()
      }
      const eager = Date.now() - lastUp < EAGER_FOR_MS
      await systemClock.sleep(eager ? EAGER_MS : PATIENT_MS, signal).catch(() => {})
    }
  }

  async #enrol(signal: AbortSignal): Promise<void> {
    const { address, tickets, displayUid, trust, log } = this.#settings
    const secret = (this.#secret ??= randomBytes(32))
    const ticket: BootTicket = {
      desktop: address.desktop,
      epoch: address.epoch,
      secret: secret.toString('hex'),
      displayUid,
      ...('socketPath' in address ? { listen: 'socket' } : {}),
    }
    try {
      tickets.put(ticket)
    } catch (cause) {
      throw new AgentAbsence('there is no place for its ticket yet', { cause })
    }
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ENROL_MS)])
    await enrolAgent(
      address,
      secret,
      (publicKey) => trust.signAgent(address.desktop, address.epoch, publicKey),
      deadline,
    )
    this.#secret = undefined
    log.info('agent enrolled', { desktop: address.desktop, epoch: address.epoch })
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { address, trust } = this.#settings
    this.#link?.[Symbol.dispose]()
    let shown = trust.own
    this.#link = openAgentLink(address, shown)
    for await (const event of this.#link.watch(signal, this.#beginMs)) {
      if (shown !== trust.own) {
        shown = trust.own
        // Calls that are under way and the stream go on over the old one, whose connections then end by themselves.
        this.#link = openAgentLink(address, shown)
      }
      // Whatever ticket lies there has done its work, or was one too many.
      if (!this.#up) this.#settings.tickets.clear()
      this.#setUp(true, event)
      if (event.hook !== undefined) this.#settings.onHook(event.session, event.hook)
      await this.#renewWhenDue(this.#link, signal)
    }
  }

  /**
   * Gives the agent a certificate for a new key, long before the present one ends. Who does not know how old that is – an hkd
   * that was restarted – renews at once.
   */
  async #renewWhenDue(link: AgentLink, signal: AbortSignal): Promise<void> {
    if (Date.now() < this.#renewAt) return
    this.#renewAt = Date.now() + RENEW_RETRY_MS
    const { address, trust, log } = this.#settings
    try {
      const { publicKey } = await link.client.renew_key({}, signal)
      const key = Buffer.from(publicKey, 'base64')
      const signed = await trust.signAgent(address.desktop, address.epoch, key)
      await link.client.renew_certificate(signed, signal)
      this.#renewAt = Date.now() + RENEW_MS
      log.info('certificate of agent renewed', { desktop: address.desktop })
    } catch (error) {
      log.warn('certificate of agent could not be renewed', { desktop: address.desktop, error })
    }
  }

  #setUp(up: boolean, why: unknown): void {
    if (this.#up === up || this.#abort.signal.aborted) return
    this.#up = up
    if (up) {
      this.health.answered()
      this.#beginMs = BEGIN_MS
    }
    const { address, log, onChange } = this.#settings
    if (up) log.info('agent up', { desktop: address.desktop })
    else log.warn('agent lost', { desktop: address.desktop, error: why })
    onChange()
  }
}
