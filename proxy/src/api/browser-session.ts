import { PAGE_HEADER, SESSION_PATH, sessionBody } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import * as z from 'zod'
import {
  addAdministratorToken,
  deleteAdministratorToken,
  findTokenOwner,
  takeInvitation,
} from '../store/administrators.ts'
import type { Db } from '../store/open.ts'
import { digestOf, makeSecret, TOKEN_PREFIX } from './caller.ts'
import { type Answer, type Route, route, time } from './route.ts'

/** Its name makes browsers take it over TLS alone, from this host alone, and for no other one. */
const COOKIE = '__Host-ostler-admin'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'
const KEPT_SECONDS = { short: 12 * 3_600, long: 30 * 86_400 } as const
/** Letters of a token's text that go into the cookie: 132 bits; the page gets the other 126. */
const COOKIE_LETTERS = 22

/** What a browser came with, as other clients send it: the two halves of its token make one. */
export function authorizationOf(context: Context): string | undefined {
  const header = context.req.header('Authorization')
  if (header !== undefined) return header
  const [cookie, key] = [getCookie(context, COOKIE), context.req.header(PAGE_HEADER)]
  return cookie === undefined || key === undefined ? undefined : `Bearer ${TOKEN_PREFIX}${cookie}${key}`
}

/** Signing in and out with a browser (docs/decisions/0070). */
export function sessionRoutes(): Route[] {
  return [
    withHeaders(
      route({
        method: 'post',
        path: SESSION_PATH,
        summary:
          'Signs a browser in, by the code of an invitation or a token: a cookie, and a key for the page.',
        needs: 'nobody',
        reach: 'tenant',
        body: sessionBody,
        answer: z.strictObject({ key: z.string(), administrator: z.string(), expires: time }),
        status: 201,
        run: async ({ db, caller, body: { code, token, keep } }) => {
          const seconds = keep ? KEPT_SECONDS.long : KEPT_SECONDS.short
          const owner =
            code === undefined
              ? await ownerOfToken(db, token ?? '', caller.address)
              : await ownerOfCode(db, code)
          const { text, digest } = makeSecret('token')
          const { id: administratorId, name, scope } = owner
          const { expires } = await addAdministratorToken(db, {
            ...{ administratorId, kind: 'token', name: 'browser', digest, scope },
            seconds: Math.min(seconds, owner.seconds),
          })
          const letters = text.slice(TOKEN_PREFIX.length)
          const cookie = `${COOKIE}=${letters.slice(0, COOKIE_LETTERS)}; Expires=${expires.toUTCString()}; ${ATTRIBUTES}`
          const said = {
            key: letters.slice(COOKIE_LETTERS),
            administrator: name,
            expires: expires.toISOString(),
          }
          return { said, headers: { 'Set-Cookie': cookie } }
        },
      }),
    ),
    withHeaders(
      route({
        method: 'delete',
        path: SESSION_PATH,
        summary: 'Ends the session, or the token, by which she came.',
        needs: 'self.end',
        reach: 'tenant',
        run: async ({ db, caller }) => {
          if (caller.tokenId !== undefined) await deleteAdministratorToken(db, caller.tokenId)
          return { said: {}, headers: { 'Set-Cookie': `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}` } }
        },
      }),
    ),
  ]
}

interface Owner {
  readonly id: number
  readonly name: string
  readonly scope: readonly string[] | undefined
  /** So long the session may last. */
  readonly seconds: number
}

/** @throws Fault `admin.code`. */
async function ownerOfCode(db: Db, code: string): Promise<Owner> {
  const owner = await takeInvitation(db, digestOf(code))
  if (owner === undefined) throw new Fault('admin.code')
  return { ...owner, scope: undefined, seconds: Infinity }
}

/** @throws Fault `admin.required`. */
async function ownerOfToken(db: Db, token: string, address: string): Promise<Owner> {
  const owner = await findTokenOwner(db, digestOf(token), address)
  if (owner === undefined) throw new Fault('admin.required')
  const { id, name, scope, expires } = owner
  // Who she is and her end are hers, however narrow the token is.
  const wide = scope === null ? undefined : [...new Set([...scope, 'self.*'])]
  return { id, name, scope: wide, seconds: Math.max(1, Math.floor((expires.getTime() - Date.now()) / 1_000)) }
}

/** Its `run` says the headers itself. */
function withHeaders(of: Route): Route {
  return { ...of, run: async (call) => (await of.run(call)).said as Answer }
}
