import { silentLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { TraceTeller } from '@ostler/proxy/hkd/trace-teller.ts'
import type { Span } from '@ostler/proxy/model/start-trace.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { sql } from 'kysely'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { until } from '../fixtures/world.ts'

/** What a collector of OpenTelemetry hears of starts. */
interface Told {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue: string } }[] }
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

const scope = new Scope()
const TIMES = { everyMs: 50, settledSeconds: 0 }
let database: TestDatabase
let db: Db
let hostId: number
let collector: Server
let answers = 200
const told: Told[] = []
const paths: string[] = []

beforeAll(async () => {
  database = scope.own(await openTestDatabase())
  db = database.as('hkd')
  hostId = await registerHost(db, 'node', 1_024, 6)
  await setHostState(db, hostId, 'running')
  collector = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      paths.push(`${request.method ?? ''} ${request.url ?? ''} ${request.headers['content-type'] ?? ''}`)
      if (answers === 200) told.push(JSON.parse(body) as Told)
      response.writeHead(answers).end('{}')
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => collector.once('listening', resolve))
  scope.defer(async () => {
    collector.closeAllConnections()
    await new Promise((resolve) => collector.close(resolve))
  })
})
afterAll(() => scope.close())

const endpoint = (): URL => new URL(`http://127.0.0.1:${(collector.address() as AddressInfo).port}/otlp/`)
const allSpans = (): { service: string | undefined; span: Span }[] =>
  told
    .flatMap(({ resourceSpans }) => resourceSpans)
    .flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) =>
        spans.map((span) => ({ service: resource.attributes[0]?.value.stringValue, span })),
      ),
    )

/** A start that begins now: so many seconds to each of its steps. */
async function start(
  vmId: number,
  steps: Readonly<Record<string, number>>,
  connection?: string,
): Promise<void> {
  await sql`INSERT INTO ostler.wish (vm_id, kind, by, reason, connection, interactive) VALUES
    (${vmId}, 'run', 'user', 'her', ${connection ?? null}, true)`.execute(db)
  await sql`INSERT INTO ostler.timeline (vm_id, epoch, step, at)
    SELECT ${vmId}, 1, step, now() + make_interval(secs => seconds::float8 - 30)
    FROM json_each_text(${JSON.stringify(steps)}::json) AS steps (step, seconds)`.execute(db)
}

async function addDesktop(address: string): Promise<number> {
  const vmId = await addTestDesktop(db, address)
  await sql`UPDATE ostler.vm SET host_id = ${hostId} WHERE id = ${vmId}`.execute(db)
  return vmId
}

test('each start is told once, hop by hop, each hop by whoever was at work', async () => {
  await using _ = new TraceTeller({ db, hostId, endpoint: endpoint(), log: silentLog, times: TIMES })
  // What was before it began to tell is not told.
  await new Promise((resolve) => setTimeout(resolve, 200))
  const vmId = await addDesktop('10.3.16.1')
  await sql`INSERT INTO ostler.timeline (vm_id, epoch, step, at) VALUES (${vmId}, 0, 'agent up', now() - interval '1 day')`.execute(
    db,
  )
  const steps = { queued: 0, placed: 1, prepared: 3, booting: 3.5, 'agent up': 30.5, 'user ready': 31 }
  await start(vmId, { ...steps, 'display ready': 33, connected: 33.2 }, 'k7m2x9pq4rst')
  await until('the start to be told', () => told.length > 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(new Set(paths)).toEqual(new Set(['POST /otlp/v1/traces application/json']))
  const spans = allSpans()
  expect(spans.map(({ service, span }) => `${service ?? ''} ${span.name}`)).toEqual([
    ...['ostler-hkd start', 'ostler-hkd queue', 'ostler-hkd preparation'],
    ...['ostler-vma boot', 'ostler-vma account', 'ostler-vma session', 'ostler-l7r connection'],
  ])
  const [whole, ...hops] = spans.map(({ span }) => span)
  expect(new Set(spans.map(({ span }) => span.traceId)).size).toBe(1)
  expect(whole?.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(hops.every(({ parentSpanId }) => parentSpanId === whole?.spanId)).toBe(true)
  const seconds = (span: Span): number =>
    Number((BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1_000_000n) / 1_000
  expect(hops.map(seconds)).toEqual([1, 2, 27.5, 0.5, 2, 0.2])
  expect(whole && seconds(whole)).toBe(33.2)
  const said = Object.fromEntries((whole?.attributes ?? []).map(({ key, value }) => [key, value.stringValue]))
  expect(said).toMatchObject({
    'ostler.node': 'node',
    'ostler.connection': 'k7m2x9pq4rst',
    'ostler.start': '1',
  })
  expect(JSON.stringify(told)).not.toContain('her')
})

test('while the collector fails the starts wait, and are told in their order', async () => {
  answers = 503
  const before = allSpans().length
  await using _ = new TraceTeller({ db, hostId, endpoint: endpoint(), log: silentLog, times: TIMES })
  await new Promise((resolve) => setTimeout(resolve, 200))
  const ids = [await addDesktop('10.3.16.2'), await addDesktop('10.3.16.3')]
  for (const [at, vmId] of ids.entries())
    await start(vmId, { placed: 28, prepared: 29, 'agent up': 30.2 + at / 10 })
  const asked = paths.length
  await until('it to be tried again', () => paths.length > asked + 2)
  expect(allSpans()).toHaveLength(before)
  answers = 200
  await until('both to be told', () => allSpans().length === before + 6)
  const names = allSpans()
    .slice(before)
    .filter(({ span }) => span.name === 'start')
    .map(({ span }) => span.attributes[0]?.value.stringValue)
  expect(names).toEqual(ids.map(String))
})
