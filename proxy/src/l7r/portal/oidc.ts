import type { HttpBindings } from '@hono/node-server'
import { Fault } from '@ostler/contract/fault.ts'
import type { Context, Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { OidcDesk } from '../../auth/oidc/oidc-desk.ts'
import type { Transaction } from '../../auth/oidc/provider.ts'
import { spendState } from '../../store/spent-states.ts'
import type { CookieJar } from './cookie.ts'
import { fromIncoming } from '../http/request.ts'
import type { DoorParts } from '../open-desktop.ts'
import { startSession } from './session.ts'
import { asFault, referenceOf } from '../respond.ts'
import type { SignIn } from '../sign-in.ts'

type Portal = Hono<{ Bindings: HttpBindings }>

/** What the browser brings back from the provider; the signature is the jar's. */
const NOTE = 'oidc'
const COOKIE = 'ostler-oidc'
/** So long a user may take at the provider. */
const SECONDS = 600
/** Lax: the provider sends the browser back from another site. */
const OPTIONS = { path: '/portal/api/oidc', httpOnly: true, secure: true, sameSite: 'Lax' } as const

const transactionNote = z.strictObject({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirectUrl: z.string(),
}) satisfies z.ZodType<Transaction>

/** Sign-in at an OpenID provider. What fails here is a page: a person stands before it, and no program. */
export function oidcRoutes(
  app: Portal,
  parts: Pick<DoorParts, 'db' | 'host' | 'log'>,
  { oidc, signIn, jar }: { oidc: OidcDesk; signIn: SignIn; jar: CookieJar },
): void {
  app.get('/portal/api/oidc', async (context) => {
    const label = await oidc.label()
    return context.json(label === undefined ? { on: false } : { on: true, label })
  })
  app.get('/portal/api/oidc/start', (context) =>
    orProblem(context, parts, async () => {
      parts.host.requireRegistered()
      const { url, transaction } = await oidc.begin(context.req.header('host'))
      setCookie(context, COOKIE, jar.bakeNote(NOTE, transaction, SECONDS), { ...OPTIONS, maxAge: SECONDS })
      return context.redirect(url.href)
    }),
  )
  app.get('/portal/api/oidc/callback', (context) =>
    orProblem(context, parts, async () => {
      parts.host.requireRegistered()
      const provider = (await oidc.label()) ?? 'the provider'
      const refused = (reason: string): Fault => new Fault('auth.provider', { provider, reason })
      const note = transactionNote.safeParse(jar.readNote(NOTE, getCookie(context, COOKIE)))
      setCookie(context, COOKIE, '', { ...OPTIONS, maxAge: 0 })
      if (!note.success) throw refused('it took longer than ten minutes, or began in another browser')
      const { state } = note.data
      if (context.req.query('state') !== state) throw refused('the answer belongs to another sign-in')
      const digest = createHash('sha256').update(state).digest()
      if (!(await spendState(parts.db, digest, SECONDS))) throw refused('its answer has been used already')
      const identity = await oidc.finish(note.data, new URL(context.req.url).search)
      const { connection } = fromIncoming(context.env.incoming)
      const guest = await signIn.byIdentity(identity, connection).catch((error: unknown) => {
        if (!(error instanceof Fault) || error.code !== 'auth.required') throw error
        // She has proved who she is: why it ends here is no secret to her.
        parts.log.info('a provider vouched for somebody without an open account', {
          login: identity.login,
          reason: error.detail['reason'],
        })
        throw new Fault('auth.noAccount', { provider }, { cause: error })
      })
      parts.host.requireOpen()
      await startSession(context, parts.db, jar, guest)
      return context.redirect('/portal/')
    }),
  )
}

async function orProblem(
  context: Context,
  { log }: Pick<DoorParts, 'log'>,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer()
  } catch (error) {
    const fault = asFault(error, log)
    return await context.html(problemPage(fault), fault.status as 400)
  }
}

function problemPage(fault: Fault) {
  const { message, advice } = fault
  const reference = referenceOf(fault)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>Sign-in failed – Ostler</title>
        <style>
          :root {
            color-scheme: light dark;
            font:
              16px/1.5 system-ui,
              sans-serif;
          }
          main {
            max-width: 30rem;
            margin: 12vh auto 0;
            padding: 0 1rem;
          }
        </style>
      </head>
      <body>
        <main>
          <h1>Sign-in failed</h1>
          <p role="alert">${message.charAt(0).toUpperCase()}${message.slice(1)}${reference}.</p>
          <p>${advice}</p>
          <p><a href="/portal/">Back to the portal</a></p>
        </main>
      </body>
    </html>`
}
