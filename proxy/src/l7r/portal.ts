import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Fault } from '@ostler/contract/fault.ts'
import type { StartEvent } from '@ostler/contract/timeline.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { getCookie } from 'hono/cookie'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { OidcDesk } from '../auth/oidc/oidc-desk.ts'
import type { SignedIn, SignInDesk } from '../auth/sign-in.ts'
import { readAuthParameters } from '../store/tokens.ts'
import { listItem } from './list-item.ts'
import { readTimeline } from '../store/vms.ts'
import { fromIncoming } from './http/request.ts'
import { desktopsOf, requireAccess, type Visitor } from './access.ts'
import { COOKIE_NAME, type CookieJar } from './cookie.ts'
import { awaitRunning, type DoorParts } from './open-desktop.ts'
import { oidcRoutes } from './portal-oidc.ts'
import { pairingDeviceRoutes, pairingUserRoutes } from './portal-pairing.ts'
import { endSession, startSession } from './portal-session.ts'
import { asFault } from './respond.ts'
import type { SignIn } from './sign-in.ts'
import { stopDesktop } from './stop-desktop.ts'
import { issueTunnelTicket } from './tunnel/issue.ts'

const MAX_BODY = 16_384
const signInBody = z.strictObject({
  login: z.string().min(1).max(256),
  password: z.string().min(1).max(1024),
  code: z.string().max(16).optional(),
})

/** How browsers are known. */
export interface PortalSignIn {
  readonly signIn: SignIn
  readonly desk: SignInDesk
  readonly jar: CookieJar
  readonly oidc: OidcDesk
}

/** The user portal: its pages, and what they ask for. A browser is known by a signed cookie. */
export function portal(
  parts: DoorParts,
  { signIn, desk, jar, oidc }: PortalSignIn,
  pages: string,
  stopping: AbortSignal,
): (request: IncomingMessage, response: ServerResponse) => void {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"], // noVNC sizes its canvas by style attributes
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: 'DENY',
    }),
  )
  app.onError((error, context) => {
    const fault = asFault(error, parts.log)
    return context.json(fault.toJSON(), fault.status as 400)
  })
  app.use('/portal/api/*', bodyLimit({ maxSize: MAX_BODY }))
  pairingDeviceRoutes(app, parts)
  app.post('/portal/api/*', async (context, next) => {
    requireSameOrigin(context.req.header('origin'), context.req.header('host'))
    await next()
  })
  app.post('/portal/api/sign-in', async (context) => {
    const body = signInBody.safeParse(await context.req.json().catch(() => undefined))
    if (!body.success) throw new Fault('request.invalid', { problem: 'login and password are needed' })
    const { login, password, code } = body.data
    const typed = { login, password: new Secret(password), ...(code ? { code: new Secret(code) } : {}) }
    parts.host.requireRegistered()
    const guest = await signIn.byPassword(typed, fromIncoming(context.env.incoming).connection)
    parts.host.requireOpen()
    await startSession(context, parts.db, jar, guest)
    return context.body(null, 204)
  })
  app.post('/portal/api/sign-out', (context) => {
    endSession(context)
    return context.body(null, 204)
  })
  const visitorOf = async (context: Context<{ Bindings: HttpBindings }>): Promise<Visitor> => ({
    guest: await guestOf(parts, desk, jar, getCookie(context, COOKIE_NAME)),
    address: fromIncoming(context.env.incoming).connection.address,
  })
  oidcRoutes(app, parts, { oidc, signIn, jar })
  pairingUserRoutes(app, parts, (context) => guestOf(parts, desk, jar, getCookie(context, COOKIE_NAME)))
  app.get('/portal/api/desktops', async (context) => {
    const visitor = await visitorOf(context)
    const items = (await desktopsOf(parts, visitor)).map(listItem)
    return context.json({ login: visitor.guest.login, desktops: items })
  })
  app.get('/portal/api/desktops/:id{\\d+}/start', async (context) =>
    streamStart(context, parts, await visitorOf(context), Number(context.req.param('id')), stopping),
  )
  app.post('/portal/api/desktops/:id{\\d+}/stop', async (context) => {
    const visitor = await visitorOf(context)
    await stopDesktop(parts, visitor, Number(context.req.param('id')), () => {}, context.req.raw.signal)
    return context.body(null, 204)
  })
  app.post('/portal/api/desktops/:id{\\d+}/tunnel', async (context) => {
    const visitor = await visitorOf(context)
    const vmId = Number(context.req.param('id'))
    return context.json(await issueTunnelTicket(parts, visitor, vmId, context.req.query('kind')), 201)
  })
  app.get('/', (context) => context.redirect('/portal/'))
  app.get('/portal', (context) => context.redirect('/portal/'))
  app.get(
    '/portal/*',
    serveStatic({ root: pages, rewriteRequestPath: (path) => path.replace(/^\/portal/, '') }),
  )
  app.notFound((context) => {
    const fault = new Fault('request.notFound', { path: context.req.path })
    return context.json(fault.toJSON(), 404)
  })
  const listener = getRequestListener(app.fetch)
  return (request, response) => void listener(request, response)
}

/** Who a cookie belongs to, if she may still come in. Throws `auth.required`. */
export async function guestOf(
  parts: DoorParts,
  desk: SignInDesk,
  jar: CookieJar,
  cookie: string | undefined,
): Promise<SignedIn> {
  const holder = jar.read(cookie)
  const said =
    holder === undefined ? undefined : await readAuthParameters(parts.db, holder.userId, holder.parametersId)
  // What the plugins said lives as long as the cookie: without it she signs in again.
  if (holder === undefined || said === undefined) throw new Fault('auth.required')
  return await desk.byUserId(holder.userId, said)
}

/** A page of another site must not act in a signed-in user's name. Throws `request.invalid`. */
export function requireSameOrigin(origin: string | undefined, host: string | undefined): void {
  if (origin === undefined || !URL.canParse(origin) || new URL(origin).host !== host)
    throw new Fault('request.invalid', { problem: 'this request came from another site' })
}

/** Every step that is told here comes with a hint; this is for a lost one. */
const TICK_MS = 2_000

/** Starts a desktop and tells its timeline, step by step, until it runs or fails. */
async function streamStart(
  context: Context,
  parts: DoorParts,
  visitor: Visitor,
  vmId: number,
  stopping: AbortSignal,
): Promise<Response> {
  const { vm } = await requireAccess(parts, visitor, vmId, { kind: 'open', display: 'rfb' })
  return streamSSE(context, async (stream) => {
    const left = new AbortController()
    stream.onAbort(() => left.abort(new Error('the browser left')))
    const signal = AbortSignal.any([left.signal, stopping])
    const send = (event: StartEvent): Promise<void> => stream.writeSSE({ data: JSON.stringify(event) })
    const told = new Set<string>()
    const tellSteps = async (): Promise<void> => {
      if (told.size === 0 && vm.state === 'running') return
      for (const { step, at } of await readTimeline(parts.db, vmId)) {
        if (told.has(step)) continue
        told.add(step)
        await send({ kind: 'step', step, at: at.toISOString() })
      }
    }
    try {
      using news = parts.news.listen(vmId, TICK_MS, signal)
      const running = awaitRunning(parts, vm, visitor.guest, () => {}, signal).then(() => 'running' as const)
      while ((await Promise.race([running, news.next()])) !== 'running') await tellSteps()
      await tellSteps()
      await send({ kind: 'ready' })
    } catch (error) {
      if (left.signal.aborted) return
      const fault = asFault(error, parts.log)
      await send({ kind: 'failed', text: fault.message, advice: fault.advice })
    }
  })
}
