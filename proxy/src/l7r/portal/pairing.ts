import type { HttpBindings } from '@hono/node-server'
import { Fault } from '@ostler/contract/fault.ts'
import { PAIR_EVERY_SECONDS, PAIR_SECONDS, type PairingStart } from '@ostler/contract/pairing.ts'
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import type { SignedIn } from '../../auth/sign-in.ts'
import type { AttemptRule } from '../../model/attempt-rules.ts'
import type { Db } from '../../store/open.ts'
import { addPairing, answerPairing, findPairing, takePairing } from '../../store/pairings.ts'
import { chargeAttempt, refundAttempt } from '../../store/sign-in-attempts.ts'
import { saveAuthParameters } from '../../store/tokens.ts'
import { fromIncoming } from '../http/request.ts'
import type { DoorParts } from '../open-desktop.ts'
import { deviceDigest, makePairingCodes, userDigest } from './pairing-codes.ts'
import { makeToken, TOKEN_SECONDS } from '../tokens.ts'

type Portal = Hono<{ Bindings: HttpBindings }>

/** Beginning costs us a row; an office behind one address pairs its devices still. */
const BEGIN_RULE: AttemptRule = { free: 20, firstSeconds: 1, maxSeconds: 60, forgetSeconds: 900 }
/** Ten wrong codes of one user, then an hour's rest. */
const GUESS_RULE: AttemptRule = { free: 10, firstSeconds: 3_600, maxSeconds: 3_600, forgetSeconds: 3_600 }
/** A device that keeps its interval is never early, though the network may bunch two of its questions. */
const EARLY_SECONDS = PAIR_EVERY_SECONDS - 1

const beginBody = z.strictObject({ client: z.string().min(1).max(256) })
const tokenBody = z.strictObject({ device_code: z.string().min(1).max(128) })
const codeBody = z.strictObject({ user_code: z.string().min(1).max(64) })
const answerBody = codeBody.extend({ allow: z.boolean() })

type Parts = Pick<DoorParts, 'db' | 'host' | 'log'>

/**
 * What devices ask, which have neither cookie nor page: mount it before the rule about a request's origin. Bodies
 * must be called JSON, which pages of other sites may not do unasked.
 */
export function pairingDeviceRoutes(app: Portal, parts: Parts): void {
  const { db, host } = parts
  app.post('/portal/api/pair', async (context) => {
    const { client } = await bodyOf(context, beginBody)
    host.requireRegistered()
    host.requireOpen()
    const { address } = fromIncoming(context.env.incoming).connection
    await charge(db, JSON.stringify(['pair', address]), BEGIN_RULE)
    const { deviceCode, userCode } = makePairingCodes()
    const added = await addPairing(db, {
      deviceDigest: deviceDigest(deviceCode),
      userDigest: userDigest(userCode) ?? Buffer.alloc(0),
      client: shown(client),
      address,
      seconds: PAIR_SECONDS,
    })
    if (!added) throw new Fault('pair.tooMany', { seconds: 60 })
    return context.json({
      device_code: deviceCode,
      user_code: userCode,
      verification_path: '/portal/#pair',
      expires_in: PAIR_SECONDS,
      interval: PAIR_EVERY_SECONDS,
    } satisfies PairingStart)
  })
  app.post('/portal/api/pair/token', async (context) => {
    const { device_code } = await bodyOf(context, tokenBody)
    const { token, digest } = makeToken()
    const answer = await takePairing(db, deviceDigest(device_code), EARLY_SECONDS, {
      digest,
      seconds: TOKEN_SECONDS,
    })
    switch (answer) {
      case 'waiting':
        return context.json({ pending: true }, 202)
      case 'confirmed':
        return context.json({ token })
      case 'refused':
        throw new Fault('pair.refused')
      case 'expired':
        throw new Fault('pair.expired')
      case 'too fast':
        throw new Fault('pair.tooMany', { seconds: PAIR_EVERY_SECONDS })
    }
  })
}

/** What the page of a signed-in user asks: who waits with a code, and her answer. */
export function pairingUserRoutes(
  app: Portal,
  parts: Parts,
  guestOf: (context: Context<{ Bindings: HttpBindings }>) => Promise<SignedIn>,
): void {
  const { db, log } = parts
  /** Looks a code up for a guest; a wrong one counts. */
  const withCode = async <T>(
    guest: SignedIn,
    typed: string,
    look: (digest: Buffer) => Promise<T | undefined>,
  ): Promise<T> => {
    const subject = JSON.stringify(['pair-code', guest.user.id])
    await charge(db, subject, GUESS_RULE)
    const digest = userDigest(typed)
    const found = digest === undefined ? undefined : await look(digest)
    if (found === undefined) throw new Fault('pair.unknown')
    await refundAttempt(db, subject)
    return found
  }
  app.post('/portal/api/pair/show', async (context) => {
    const { user_code } = await bodyOf(context, codeBody)
    const guest = await guestOf(context)
    const { client, address, at } = await withCode(guest, user_code, (digest) => findPairing(db, digest))
    return context.json({ client, address, at: at.toISOString() })
  })
  app.post('/portal/api/pair/confirm', async (context) => {
    const { user_code, allow } = await bodyOf(context, answerBody)
    const guest = await guestOf(context)
    const asked = await withCode(guest, user_code, async (digest) => {
      const by = allow ? await holderOf(db, guest) : undefined
      return await answerPairing(db, digest, by)
    })
    log.info(allow ? 'device paired' : 'device refused', { user: guest.login, ...asked })
    return context.body(null, 204)
  })
}

/** The token must not outlive what it carries, and it is fetched some time after this. */
async function holderOf(db: Db, guest: SignedIn): Promise<{ userId: number; parametersId: number }> {
  const userId = guest.user.id
  return { userId, parametersId: await saveAuthParameters(db, userId, guest, TOKEN_SECONDS + PAIR_SECONDS) }
}

async function charge(db: Db, subject: string, rule: AttemptRule): Promise<void> {
  const seconds = await chargeAttempt(db, subject, rule)
  if (seconds > 0) throw new Fault('pair.tooMany', { seconds })
}

/** @throws Fault `request.invalid`. */
async function bodyOf<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  const isJson = /^application\/json\b/i.test(context.req.header('content-type') ?? '')
  const body = schema.safeParse(isJson ? await context.req.json().catch(() => undefined) : undefined)
  if (!body.success) throw new Fault('request.invalid', { problem: 'this is not what pairing takes' })
  return body.data
}

/** A device names itself: nothing of that may look like a part of our page. */
function shown(name: string): string {
  const plain = name.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return plain === '' ? 'a device' : Array.from(plain).slice(0, 64).join('')
}
