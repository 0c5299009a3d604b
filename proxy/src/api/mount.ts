import { REQUEST_HEADER } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { causedBy } from '@ostler/kit/log/cause.ts'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { createHash, randomBytes } from 'node:crypto'
import * as z from 'zod'
import { addAuditLine } from '../store/audit.ts'
import type { Db } from '../store/open.ts'
import { type Found, findNamed, settingsOf } from '../store/settings-of.ts'
import { transact } from '../store/transact.ts'
import { requireTenant } from '../store/users.ts'
import { authorizationOf } from './browser-session.ts'
import { type Caller, callerOf, LOCAL_CALLER, stranger } from './caller.ts'
import type { GuessLimit } from './guess-limit.ts'
import { withoutSecrets } from './redact.ts'
import type { Answer, Call, Named, Route } from './route.ts'
import type { Streams } from './streams.ts'

/** How requests reach the api: by the socket of the node, or over the network, where everybody needs a token. */
export type ApiDoor = 'socket' | 'network'

export interface MountParts {
  readonly db: Db
  readonly door: ApiDoor
  readonly limit: GuessLimit
  readonly streams: Streams
  readonly log: Log
  /** Tests have every answer compared with what the table says of it. */
  readonly checkAnswers?: boolean
}

const MAX_BODY = 16 * 1024 * 1024
const REQUEST_ID = /^[\w-]{8,64}$/

/** A request as far as it was read. */
interface Asked {
  readonly request: string
  readonly caller: Caller
  readonly part: (name: string) => string
  readonly query: Record<string, unknown>
  readonly body: unknown
}

/** Serves the routes of a table: who asks, what she may, what she sends, whose that is, what comes of it, and the audit log. */
export function mount(routes: readonly Route[], parts: MountParts): Hono {
  const { log } = parts
  const app = new Hono()
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: () => {
        throw new Fault('request.invalid', { problem: 'the body is larger than 16 MiB' })
      },
    }),
  )
  app.use(async (context, next) => {
    const id = context.req.header(REQUEST_HEADER) ?? ''
    const request = REQUEST_ID.test(id) ? id : randomBytes(8).toString('hex')
    context.header(REQUEST_HEADER, request)
    context.header('Cache-Control', 'no-store')
    context.header('X-Content-Type-Options', 'nosniff')
    await causedBy(request, next)
  })
  app.onError((error, context) => {
    if (!(error instanceof Fault)) log.error('request failed', { path: context.req.path, error })
    const reference = context.res.headers.get(REQUEST_HEADER) ?? ''
    const fault = error instanceof Fault ? error : new Fault('server.internal', { reference })
    if (fault.code === 'admin.required') context.header('WWW-Authenticate', 'Bearer')
    return context.json(fault.toJSON(), fault.status as 400)
  })
  app.notFound((context) =>
    context.json(new Fault('request.notFound', { path: context.req.path }).toJSON(), 404),
  )
  for (const route of routes)
    app.on(route.method.toUpperCase(), route.path, (context) => serve(context, route, parts))
  return app
}

async function serve(context: Context, route: Route, parts: MountParts): Promise<Response> {
  const caller = await whoAsks(context, route, parts)
  const request = context.res.headers.get(REQUEST_HEADER) ?? ''
  if (route.method === 'get' || route.changesNothing === true) {
    requireAllowed(caller, route)
    return await look(context, route, parts, caller)
  }
  try {
    requireAllowed(caller, route)
    const asked = await read(context, route, caller, request)
    return answered(context, route, parts, await change(context, route, parts, asked))
  } catch (error) {
    await noteRefusal(context, route, parts, caller, error)
    throw error
  }
}

/** @throws Fault `admin.*`. */
async function whoAsks(
  context: Context,
  route: Route,
  { db, door, limit, log }: MountParts,
): Promise<Caller> {
  if (door === 'socket') return LOCAL_CALLER
  const address = addressOf(context)
  limit.check(address)
  if (route.needs === 'nobody') return stranger(address)
  try {
    return await callerOf(db, authorizationOf(context), address)
  } catch (error) {
    if (error instanceof Fault && error.code === 'admin.required') {
      limit.failed(address)
      log.warn('refused without a token that counts', { audit: true, address, path: context.req.path })
    }
    throw error
  }
}

function requireAllowed(caller: Caller, { needs, reach }: Route): void {
  if (needs === 'nobody') return
  if (!caller.permissions.has(needs)) throw new Fault('admin.forbidden', { who: caller.name, needs })
  if (reach === 'all' && caller.tenant !== undefined)
    throw new Fault('admin.forbidden', { who: caller.name, needs: `${needs} for all tenants` })
}

async function look(context: Context, route: Route, parts: MountParts, caller: Caller): Promise<Response> {
  const { db, streams } = parts
  const request = context.res.headers.get(REQUEST_HEADER) ?? ''
  const asked = await read(context, route, caller, request)
  const ask = async (): Promise<Answer> => {
    await lookUp(db, route, asked)
    return await route.run(callOf(db, asked))
  }
  if (route.hints.length > 0 && (context.req.header('Accept') ?? '').includes('text/event-stream')) {
    const isGood = async (): Promise<boolean> => {
      if (parts.door === 'socket') return true
      const again = await callerOf(db, authorizationOf(context), caller.address)
      return route.needs === 'nobody' || again.permissions.has(route.needs)
    }
    return streams.open(context, {
      ...{ hints: route.hints, ask, isGood, until: caller.until },
      gatherMs: route.gatherMs,
    })
  }
  return answered(context, route, parts, await ask())
}

/** Makes a change, and writes down what was and what is: all of it, or nothing. */
async function change(context: Context, route: Route, { db }: MountParts, asked: Asked): Promise<Answer> {
  const wanted = context.req.header('If-Match')
  const { caller, request } = asked
  return await transact(db, async (tx) => {
    const [first] = await lookUp(tx, route, asked)
    const [main] = route.about
    const settings = async (lock: boolean): Promise<Record<string, unknown> | undefined> =>
      first === undefined || main === undefined ? undefined : await settingsOf(tx, main.kind, first.id, lock)
    const before = await settings(true)
    if (wanted !== undefined && (before === undefined || wanted !== settingsTag(before)))
      throw new Fault('object.changed', { name: objectOf(route, asked) })
    const answer = await route.run(callOf(tx, asked))
    const made = (answer.said as { id?: unknown } | null)?.id
    const after =
      route.makes !== undefined && typeof made === 'number'
        ? await settingsOf(tx, route.makes, made)
        : await settings(false)
    await addAuditLine(tx, {
      ...lineOf(route, caller, request),
      object: objectOf(route, asked),
      tenantId: caller.tenant?.id ?? first?.tenantId ?? undefined,
      status: route.status,
      said: withoutSecrets(asked.body),
      ...{ before, after },
    })
    return answer
  })
}

async function noteRefusal(
  context: Context,
  route: Route,
  { db, limit, log }: MountParts,
  caller: Caller,
  error: unknown,
): Promise<void> {
  const fault = error instanceof Fault ? error : undefined
  if (fault?.code === 'admin.code' || fault?.code === 'admin.required') limit.failed(caller.address)
  const request = context.res.headers.get(REQUEST_HEADER) ?? ''
  await addAuditLine(db, {
    ...lineOf(route, caller, request),
    object: context.req.path.slice(0, 300),
    tenantId: caller.tenant?.id,
    status: fault?.status ?? 500,
    fault: fault?.code ?? 'server.internal',
  }).catch((cause: unknown) => log.error('audit log not written', { error: cause }))
}

function lineOf({ method, path }: Route, caller: Caller, request: string) {
  const { name: by, role, address } = caller
  return { request, by, role, address, action: `${method.toUpperCase()} ${path}` }
}

/** What a request is about, in words: what it names, else what it would add. */
function objectOf(route: Route, asked: Asked): string {
  const [main] = route.about
  if (main !== undefined) return `${main.kind} ${valueOf(main, asked) ?? '-'}`
  const body = (asked.body ?? {}) as Record<string, unknown>
  const name = [body['name'], body['login']].find((value) => typeof value === 'string')
  return `${route.makes ?? route.path} ${name ?? ''}`.trim()
}

/** @throws Fault `request.invalid` with every problem, `object.unknown` for another tenant. */
async function read(context: Context, route: Route, caller: Caller, request: string): Promise<Asked> {
  const said = context.req.queries()
  const query = Object.fromEntries(
    Object.entries(said).map(([key, values]) => [key, route.repeated.includes(key) ? values : values[0]]),
  )
  const body = await bodyOf(context, route)
  return {
    ...{ request, caller },
    part: (name) => context.req.param(name) ?? '',
    query: checked(route.query, ofCaller(route.query, query, caller)) as Record<string, unknown>,
    body: route.body === undefined ? body : checked(route.body, ofCaller(route.body, body, caller), route),
  }
}

/** @throws Fault `request.invalid` for more bytes than the route takes. */
async function bodyOf(context: Context, { body, octets }: Route): Promise<unknown> {
  if (octets === undefined)
    return body === undefined ? undefined : await context.req.json().catch(() => undefined)
  const bytes = new Uint8Array(await context.req.arrayBuffer())
  if (bytes.length > octets)
    throw new Fault('request.invalid', { problem: `the body is larger than ${octets} bytes` })
  return bytes
}

function checked(
  schema: z.ZodType,
  said: unknown,
  { bodyProblem }: Pick<Route, 'bodyProblem'> = {},
): unknown {
  const parsed = schema.safeParse(said)
  if (parsed.success) return parsed.data
  throw new Fault('request.invalid', { problem: bodyProblem ?? z.prettifyError(parsed.error) })
}

/** Puts the tenant of somebody who is of one into what she says. @throws Fault `object.unknown` for another one. */
function ofCaller(schema: z.ZodType, said: unknown, { tenant }: Caller): unknown {
  const speaksOfTenant = schema instanceof z.ZodObject && 'tenant' in schema.shape
  if (tenant === undefined || !speaksOfTenant || typeof said !== 'object' || said === null) return said
  const { tenant: asked } = said as { tenant?: unknown }
  const named = typeof asked === 'string' ? asked : asked === undefined ? undefined : 'of this form'
  if (named !== undefined && named.toLowerCase() !== tenant.name.toLowerCase())
    throw new Fault('object.unknown', { kind: 'tenant', name: named })
  return { ...said, tenant: tenant.name }
}

/**
 * Finds what a request names; what it names first comes first.
 * @throws Fault `object.unknown` for what is not the caller's, in the words for what is not there.
 */
async function lookUp(db: Db, route: Route, asked: Asked): Promise<readonly (Found | undefined)[]> {
  const { tenant } = asked.caller
  const body = (asked.body ?? {}) as { tenant?: string }
  const within = async (): Promise<number> =>
    tenant?.id ?? (await requireTenant(db, body.tenant ?? (asked.query['tenant'] as string | undefined)))
  const found: (Found | undefined)[] = []
  // What nobody must be kept from is looked up for the audit log alone: its first.
  for (const named of tenant === undefined ? route.about.slice(0, 1) : route.about) {
    const name = valueOf(named, asked)
    if (name === undefined) {
      found.push(undefined)
      continue
    }
    const needsTenant = named.kind === 'user' || named.kind === 'group'
    const it = await findNamed(db, {
      ...{ kind: named.kind, name },
      ...(needsTenant ? { tenantId: await within() } : {}),
    })
    const isHers =
      tenant === undefined ||
      it?.tenantId === tenant.id ||
      (named.shared === true && it !== undefined && it.tenantId === null)
    if (!isHers) throw new Fault('object.unknown', { kind: named.kind.replace('-number', ''), name })
    found.push(it)
  }
  return found
}

function valueOf({ in: place, key }: Named, asked: Asked): string | undefined {
  if (place === 'path') return asked.part(key)
  const value = place === 'query' ? asked.query[key] : (asked.body as Record<string, unknown>)[key]
  return typeof value === 'string' ? value : value === undefined ? undefined : JSON.stringify(value)
}

function callOf(db: Db, asked: Asked): Call {
  return { ...asked, db, tenantId: asked.caller.tenant?.id }
}

function answered(
  context: Context,
  route: Route,
  { checkAnswers }: MountParts,
  { said, headers }: Answer,
): Response {
  const text = JSON.stringify(said)
  if (checkAnswers === true) route.answer.parse(JSON.parse(text))
  for (const [key, value] of Object.entries(headers ?? {})) context.header(key, value)
  context.header('Content-Type', 'application/json')
  if (route.method !== 'get') return context.body(text, route.status)
  const tag = headers?.['ETag'] ?? tagOf(text)
  context.header('ETag', tag)
  if (context.req.header('If-None-Match') === tag) return context.body(null, 304)
  return context.body(text, route.status)
}

/** What `If-Match` is compared with: what administrators said of something, and nothing of how it does. */
export function settingsTag(settings: Record<string, unknown>): string {
  return tagOf(JSON.stringify(settings))
}

function tagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
}

function addressOf(context: Context): string {
  const { incoming } = (context.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  return incoming?.socket?.remoteAddress ?? 'unknown'
}
