import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { StartEvent, TimelineStep } from '@ostler/contract/timeline.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { getCookie } from 'hono/cookie'
import { routePath } from 'hono/route'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { OidcDesk } from '../../auth/oidc/oidc-desk.ts'
import type { SignedIn, SignInDesk } from '../../auth/sign-in.ts'
import { readAuthParameters } from '../../store/tokens.ts'
import { AT_REST } from '../../model/start-queue.ts'
import { listItem } from '../list-item.ts'
import { readTimeline } from '../../store/vms.ts'
import { connectionOf, fromIncoming } from '../http/request.ts'
import { desktopsOf, requireAccess, type Visitor } from '../access.ts'
import { flavoursToMake, makeOwnDesktop } from '../own-desktops.ts'
import { awaitPoolDesktop } from '../pool-desk.ts'
import { COOKIE_NAME, type CookieJar } from './cookie.ts'
import { awaitRunning, startText, type StartNews } from '../start/await-running.ts'
import type { DoorParts } from '../open-desktop.ts'
import { displayFileRoutes } from './display-file.ts'
import { oidcRoutes } from './oidc.ts'
import { pairingDeviceRoutes, pairingUserRoutes } from './pairing.ts'
import { endSession, startSession } from './session.ts'
import { asFault, referenceOf } from '../respond.ts'
import type { SignIn } from '../sign-in.ts'
import { stopDesktop } from '../start/stop-desktop.ts'
import { issueTunnelTicket } from '../tunnel/issue.ts'
import { Visit } from '../visit.ts'

const MAX_BODY = 16_384
const signInBody = z.strictObject({
  login: z.string().min(1).max(256),
  password: z.string().min(1).max(1024),
  code: z.string().max(16).optional(),
})

const newDesktopBody = z.strictObject({ osf: z.string().min(1).max(256) })

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
  app.use(async (context, next) => {
    const visit = visitOf(context.env.incoming)
    context.header(CONNECTION_HEADER, connectionOf(context.env.incoming.socket).id)
    await next()
    if (visit !== undefined) visit.route = routePath(context, -1)
  })
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
    const body = { ...fault.toJSON(), text: `${fault.message}${referenceOf(fault)}` }
    return context.json(body, fault.status as 400)
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
    noteUser(context.env.incoming, guest)
    await startSession(context, parts.db, jar, guest)
    return context.body(null, 204)
  })
  app.post('/portal/api/sign-out', (context) => {
    endSession(context)
    return context.body(null, 204)
  })
  const guestHere = async (context: Context<{ Bindings: HttpBindings }>): Promise<SignedIn> => {
    const guest = await guestOf(parts, desk, jar, getCookie(context, COOKIE_NAME))
    noteUser(context.env.incoming, guest)
    return guest
  }
  const visitorOf = async (context: Context<{ Bindings: HttpBindings }>): Promise<Visitor> => ({
    guest: await guestHere(context),
    address: fromIncoming(context.env.incoming).connection.address,
  })
  oidcRoutes(app, parts, { oidc, signIn, jar })
  pairingUserRoutes(app, parts, guestHere)
  app.get('/portal/api/desktops', async (context) => {
    const visitor = await visitorOf(context)
    const items = (await desktopsOf(parts, visitor)).map(listItem)
    const toMake = await flavoursToMake(parts, visitor)
    return context.json({ login: visitor.guest.login, desktops: items, toMake })
  })
  app.post('/portal/api/desktops', async (context) => {
    const body = newDesktopBody.safeParse(await context.req.json().catch(() => undefined))
    if (!body.success) throw new Fault('request.invalid', { problem: 'osf is needed' })
    const id = await makeOwnDesktop(parts, await visitorOf(context), body.data.osf)
    return context.json({ id }, 201)
  })
  app.get('/portal/api/desktops/:id{\\d{1,9}}/start', async (context) =>
    streamStart(context, parts, await visitorOf(context), Number(context.req.param('id')), stopping),
  )
  app.post('/portal/api/desktops/:id{\\d{1,9}}/stop', async (context) => {
    const visitor = await visitorOf(context)
    await stopDesktop(parts, visitor, Number(context.req.param('id')), () => {}, context.req.raw.signal)
    return context.body(null, 204)
  })
  app.post('/portal/api/desktops/:id{\\d{1,9}}/tunnel', async (context) => {
    const visitor = await visitorOf(context)
    const vmId = Number(context.req.param('id'))
    return context.json(await issueTunnelTicket(parts, visitor, vmId, context.req.query('kind')), 201)
  })
  displayFileRoutes(app, parts, visitorOf, stopping)
  app.get('/', (context) => context.redirect('/portal/'))
  app.get('/portal', (context) => context.redirect('/portal/'))
  // The administrators' pages lie in the same folder, and are the api's.
  app.get('/portal/admin/*', (context) => context.notFound())
  app.get(
    '/portal/*',
    serveStatic({ root: pages, rewriteRequestPath: (path) => path.replace(/^\/portal/, '') }),
  )
  app.notFound((context) => {
    const fault = new Fault('request.notFound', { path: context.req.path })
    return context.json(fault.toJSON(), 404)
  })
  const listener = getRequestListener(app.fetch)
  return (request, response) => {
    const { method, path, connection } = fromIncoming(request)
    const visit = new Visit(parts, { method, path, connection }, 'unknown')
    visits.set(request, visit)
    const { socket } = request
    const before = socket.bytesWritten
    response.once('close', () => {
      const status = response.writableFinished ? response.statusCode : 0
      visit.answered(status, socket.bytesWritten - before)
    })
    void listener(request, response)
  }
}

const visits = new WeakMap<IncomingMessage, Visit>()

function visitOf(request: IncomingMessage): Visit | undefined {
  return visits.get(request)
}

function noteUser(request: IncomingMessage, guest: SignedIn): void {
  const visit = visitOf(request)
  if (visit !== undefined) visit.user = guest.login
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
  if (origin === undefined || !URL.canParse(origin) || new URL(origin).host !== host) throw otherSite()
}

/**
 * As `requireSameOrigin`, but for the port: the administrators' pages are served beside the door. For requests that carry a ticket
 * and no cookie.
 */
export function requireSameHost(origin: string | undefined, host: string | undefined): void {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').toLowerCase()
  if (origin === undefined || !URL.canParse(origin) || new URL(origin).hostname !== name) throw otherSite()
}

function otherSite(): Fault {
  return new Fault('request.invalid', { problem: 'this request came from another site' })
}

/** Every step that is told here comes with a hint; this is for a lost one. */
const TICK_MS = 2_000

/** Starts a desktop and tells its timeline, step by step, until it runs or fails. */
async function streamStart(
  context: Context,
  parts: DoorParts,
  visitor: Visitor,
  id: number,
  stopping: AbortSignal,
): Promise<Response> {
  parts.host.requireOpen()
  const signal = AbortSignal.any([stopping, context.req.raw.signal])
  const { vm } = await requireAccess(parts, visitor, id, { kind: 'open', display: 'rfb' }, (pool) =>
    awaitPoolDesktop(parts, pool, visitor.guest, () => {}, signal),
  )
  return streamSSE(context, async (stream) => {
    const left = new AbortController()
    stream.onAbort(() => left.abort(new Error('the browser left')))
    const signal = AbortSignal.any([left.signal, stopping])
    const send = (event: StartEvent): Promise<void> => stream.writeSSE({ data: JSON.stringify(event) })
    const told = new Set<string>()
    const tellStep = async (step: TimelineStep, at: Date): Promise<void> => {
      if (told.has(step)) return
      told.add(step)
      await send({ kind: 'step', step, at: at.toISOString() })
    }
    // While it rests, the timeline is that of its last start.
    const firstEpoch = vm.epoch + (AT_REST.includes(vm.state) ? 1 : 0)
    const tellSteps = async (): Promise<void> => {
      if (told.size === 0 && vm.state === 'running') return
      for (const { step, at, epoch } of await readTimeline(parts.db, vm.id))
        if (epoch >= firstEpoch) await tellStep(step, at)
    }
    let note = ''
    const tellNews = (news: StartNews): void => {
      if (news.kind !== 'queued' && news.kind !== 'held') return
      const text = startText(news)
      if (text === note) return
      note = text
      tellStep('queued', new Date())
        .then(() => send({ kind: 'note', text }))
        .catch(() => {}) // the browser left; the signal says so
    }
    try {
      using news = parts.news.listen(vm.id, TICK_MS, signal)
      const running = awaitRunning(parts, vm, visitor.guest, tellNews, signal).then(() => 'running' as const)
      while ((await Promise.race([running, news.next()])) !== 'running') await tellSteps()
      await tellSteps()
      await send({ kind: 'ready' })
    } catch (error) {
      if (left.signal.aborted) return
      const fault = asFault(error, parts.log)
      await send({ kind: 'failed', text: `${fault.message}${referenceOf(fault)}`, advice: fault.advice })
    } finally {
      // Nobody hears any more of a start that goes on: its user no longer wishes it.
      left.abort(new Error('the stream ended'))
    }
  })
}
