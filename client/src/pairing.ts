import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { PAIR_SECONDS, type PairingStart } from '@ostler/contract/pairing.ts'
import type { Clock } from '@ostler/kit/clock.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Server } from './trust.ts'

/** What pairing needs besides a server. */
export interface PairingParts {
  /** Opens a connection to the server that is trusted already. */
  readonly open: () => Promise<Duplex>
  /** How this device calls itself where it is confirmed. */
  readonly name: string
  readonly tell: (line: string) => void
  readonly clock: Clock
}

const ANSWER_MS = 30_000
const MAX_ANSWER = 65_536
/** More patience after each question that came too early. */
const SLOWER_MS = 5_000

/**
 * Signs this device in without a password: shows a code, waits until its user has confirmed it at the portal, and
 * returns a token, which is good for a day and kept nowhere.
 *
 * @throws Fault `pair.refused`, `pair.expired`, `pair.tooMany`, `client.refused`, `client.unreachable`.
 */
export async function pairDevice(server: Server, parts: PairingParts): Promise<Secret> {
  const { clock, tell } = parts
  const { status, body } = await post(server, parts, '/portal/api/pair', { client: parts.name })
  if (status !== 200) throw refusal(server, status, body)
  const start = readStart(server, body)
  const address = server.port === 443 ? server.host : `${server.host}:${server.port}`
  tell(`Open https://${address}${start.verification_path} in a browser and confirm this code there:`)
  tell(`\n    ${start.user_code}\n`)
  tell(`It is good for ${Math.round(start.expires_in / 60)} minutes. Waiting …`)
  const until = clock.now() + start.expires_in * 1_000
  let pause = start.interval * 1_000
  while (clock.now() < until) {
    await clock.sleep(pause)
    const answer = await post(server, parts, '/portal/api/pair/token', {
      device_code: start.device_code,
    }).catch((error: unknown) => {
      // A network that is away for a moment does not make the code worthless.
      if (error instanceof Fault && error.code === 'client.unreachable') return undefined
      throw error
    })
    if (answer === undefined || answer.status === 202 || answer.status === 503) continue
    if (answer.status === 429) pause += SLOWER_MS
    else if (answer.status !== 200) throw refusal(server, answer.status, answer.body)
    else return readToken(server, answer.body)
  }
  throw new Fault('pair.expired')
}

/** What a server says is shown on a terminal: only what can be a code and a path is. */
function readStart(server: Server, body: unknown): PairingStart {
  const start = body as Partial<PairingStart> | undefined
  const usable =
    typeof start?.device_code === 'string' &&
    /^[A-Z0-9-]{4,20}$/.test(String(start.user_code)) &&
    /^\/[\w/#-]*$/.test(String(start.verification_path)) &&
    isBetween(start.interval, 1, 60) &&
    isBetween(start.expires_in, 1, 6 * PAIR_SECONDS)
  if (!usable) throw strange(server)
  return start as PairingStart
}

function readToken(server: Server, body: unknown): Secret {
  const { token } = (body ?? {}) as { token?: unknown }
  if (typeof token !== 'string' || token === '') throw strange(server)
  return new Secret(token)
}

function isBetween(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max
}

function refusal({ host }: Server, status: number, body: unknown): Fault {
  const text = status === 404 ? 'it does not pair devices' : 'it does not pair this device'
  return faultFromBody(body) ?? new Fault('client.refused', { host, status, text })
}

function strange({ host }: Server): Fault {
  return new Fault('client.refused', { host, status: 200, text: 'its answer is none of pairing' })
}

/** Asks once, over a connection of its own. @throws Fault `client.unreachable`, or what `open` throws. */
async function post(
  { host, port }: Server,
  { open }: PairingParts,
  path: string,
  content: unknown,
): Promise<{ status: number; body: unknown }> {
  const stream = await open()
  try {
    return await new Promise((resolve, reject) => {
      const body = JSON.stringify(content)
      const sent = request({
        createConnection: () => stream,
        method: 'POST',
        path,
        headers: {
          Host: `${host}:${port}`,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          Connection: 'close',
        },
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      const fail = (error: Error): void => {
        reject(new Fault('client.unreachable', { host, port, reason: error.message }, { cause: error }))
      }
      sent.once('error', fail)
      sent.once('response', (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text += chunk
          if (text.length > MAX_ANSWER) answer.destroy(new Error('the answer has no end'))
        })
        answer.once('error', fail)
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: parsed(text) }))
      })
      sent.end(body)
    })
  } finally {
    stream.destroy()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
