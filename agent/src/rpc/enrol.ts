import { enrolApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { type BootTicket, pskIdentity } from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod/mini'
import { closerOf } from './close-server.ts'
import { listenAt, type Place } from './place.ts'
import { answerFault, answerJson, readJson } from './http.ts'

/** What the agent presents from now on. The key exists in memory alone. */
export interface EnrolledIdentity {
  readonly key: string
  readonly certificate: string
  readonly authority: string
}

const ticketSchema: z.ZodMiniType<BootTicket> = z.strictObject({
  desktop: z.int().check(z.positive()),
  epoch: z.int().check(z.nonnegative()),
  secret: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  displayUid: z.int().check(z.nonnegative()),
  listen: z.optional(z.literal('socket')),
})

const LOOK_AGAIN_MS = 25
const LATE_MS = 60_000

/** What is done when there is still no ticket after a while. */
export interface LateTicket {
  readonly afterMs: number
  readonly tell: () => void
}

/**
 * Waits for hkd's ticket in the boot folder, for as long as it takes: the node has its own deadline for a boot.
 * @param late is told once.
 */
export async function awaitTicket(
  folder: string,
  signal: AbortSignal,
  late?: LateTicket,
): Promise<BootTicket> {
  const timer = late === undefined ? undefined : setTimeout(late.tell, late.afterMs)
  try {
    for (;;) {
      const ticket = readTicket(folder)
      if (ticket !== undefined) return ticket
      await sleep(LOOK_AGAIN_MS, undefined, { signal })
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Says in the log where a ticket was looked for in vain. */
export function tellOfLateTicket(log: Log, port: string): LateTicket {
  return {
    afterMs: LATE_MS,
    tell: () => log.warn('no boot ticket yet', { seconds: LATE_MS / 1_000, port }),
  }
}

function readTicket(folder: string): BootTicket | undefined {
  try {
    return ticketSchema.parse(JSON.parse(readFileSync(join(folder, 'enrol.json'), 'utf8')))
  } catch {
    return undefined // not there yet; hkd renames it into place, so it is never half-written
  }
}

/** The secret that goes with the ticket that lies there now: an hkd that was restarted brings a new one. */
function secretFor(claimedIdentity: string, folder: string): Buffer | null {
  const ticket = readTicket(folder)
  if (ticket === undefined || claimedIdentity !== pskIdentity(ticket.desktop, ticket.epoch)) return null
  return Buffer.from(ticket.secret, 'hex')
}

/**
 * Listens until hkd has come with the ticket's secret, taken our public key and brought a certificate for it.
 * Both ends prove the secret by TLS-PSK (1.3, with forward secrecy); no clock is looked at.
 */
export async function enrol(
  place: Place,
  folder: string,
  log: Log,
  signal: AbortSignal,
): Promise<EnrolledIdentity> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const enrolled = Promise.withResolvers<EnrolledIdentity>()
  const server = createServer(
    { minVersion: 'TLSv1.3', pskCallback: (_, claimed) => secretFor(claimed, folder) },
    (request, response) => {
      const step = async (): Promise<void> => {
        if (request.method === 'GET' && request.url === enrolApi.keyPath) {
          const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
          answerJson(response, 200, { publicKey })
        } else if (request.method === 'POST' && request.url === enrolApi.certificatePath) {
          const body = enrolApi.certificate.safeParse(await readJson(request))
          if (!body.success) throw new Fault('request.invalid', { problem: z.prettifyError(body.error) })
          // Asked before an agent was killed, it may be brought to the next one, whose key is another.
          if (!isFor(keys.privateKey, body.data.certificate))
            throw new Fault('request.invalid', { problem: 'the certificate is for another key' })
          response.once('finish', () =>
            enrolled.resolve({
              ...body.data,
              key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
            }),
          )
          answerJson(response, 200, {})
        } else throw new Fault('request.notFound', { path: request.url ?? '' })
      }
      step().catch((error: unknown) => answerFault(response, error))
    },
  )
  const close = closerOf(server)
  server.on('tlsClientError', (error: Error) => log.warn('enrolment refused', { reason: error.message }))
  await listenAt(server, place)
  const abort = (): void => enrolled.reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await enrolled.promise
  } finally {
    signal.removeEventListener('abort', abort)
    await close()
  }
}

function isFor(key: KeyObject, certificate: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(key)
  } catch {
    return false
  }
}
