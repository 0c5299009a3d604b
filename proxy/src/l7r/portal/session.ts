import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'
import type { SignedIn } from '../../auth/sign-in.ts'
import type { Db } from '../../store/open.ts'
import { COOKIE_NAME, COOKIE_SECONDS, type CookieJar } from './cookie.ts'
import { keepParameters } from '../tokens.ts'

const OPTIONS = { path: '/portal', httpOnly: true, secure: true, sameSite: 'Strict' } as const

/** The browser that asks is the guest's from now on, for the life of a cookie. */
export async function startSession(context: Context, db: Db, jar: CookieJar, guest: SignedIn): Promise<void> {
  const cookie = jar.bake({ userId: guest.user.id, parametersId: await keepParameters(db, guest) })
  setCookie(context, COOKIE_NAME, cookie, { ...OPTIONS, maxAge: COOKIE_SECONDS })
}

/** The browser that asks is nobody's. */
export function endSession(context: Context): void {
  setCookie(context, COOKIE_NAME, '', { ...OPTIONS, maxAge: 0 })
}
