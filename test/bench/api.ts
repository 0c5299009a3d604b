import { sql } from 'kysely'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundle } from '../../scripts/bundle.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { load, print } from './figures.ts'

/**
 * Lists of many desktops: how long they take at a steady rate of requests while rows are written, what the api holds, and how long
 * `qa vm list` takes beside psql with the same rows. Prints; never judges.
 */
const DESKTOPS = Number(process.argv[2] ?? 10_000)
const USERS = 2_000
const SECONDS = Number(process.argv[3] ?? 20)
const PER_SECOND = 50
const WRITES_PER_SECOND = 20
const QUERIES = [
  'limit=100',
  'limit=100&offset=5000',
  'limit=100&filter=state%3Drunning%2Cname%3Ddesk1*',
  'limit=100&sort=-name',
  'limit=100&filter=user%3Duser12*&sort=-expire_hard,name',
  'filter=name%3Ddesk77',
]

await measure()

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-bench-api-'))
  // In one file each, as they are shipped.
  await bundle(join(folder, 'built'), ['test/bench/api-process.ts', 'qa/src/bin/qa.ts'])
  const [server, qa] = ['api-process', 'qa'].map((name) => join(folder, 'built', `${name}.cjs`)) as [
    string,
    string,
  ]
  const database = await openTestDatabase()
  const socket = join(folder, 'api.sock')
  // As its unit has it.
  const execArgv = ['--max-semi-space-size=2']
  const api = fork(server, [socket, JSON.stringify(database.address('api'))], { execArgv })
  try {
    await once(api, 'message')
    await fill(database)
    print(`${DESKTOPS} desktops, ${USERS} users; load average before: ${load()}`)
    const times = await loaded(socket, database)
    for (const [query, taken] of times)
      print(
        `${query.padEnd(60)} p50 ${at(taken, 0.5)} p99 ${at(taken, 0.99)} max ${at(taken, 1)} ms (${taken.length})`,
      )
    const all = [...times.values()].flat()
    print(`all: p50 ${at(all, 0.5)} p99 ${at(all, 0.99)} ms (to reach: 50)`)
    print(`api: ${rss(api.pid ?? 0)} MB (to reach: 150)`)
    await listings(qa, socket, database)
    print(`api after it: ${rss(api.pid ?? 0)} MB; load average: ${load()}`)
  } finally {
    api.disconnect()
    await once(api, 'exit')
    await database[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fill(database: TestDatabase): Promise<void> {
  const db = database.as('hkd')
  await sql`INSERT INTO ostler.users (login, password) SELECT 'user' || n, '' FROM generate_series(1, ${USERS}::int) AS n`.execute(
    db,
  )
  await sql`INSERT INTO ostler.flavour (name, memory_mb, cpu_percent) SELECT 'osf' || n, 512, 100 FROM generate_series(1, 20) AS n`.execute(
    db,
  )
  await sql`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address, prior, state)
    SELECT 'desk' || n, 1 + n % ${USERS}::int, 1 + n % 20, '10.' || n / 65536 || '.' || n / 256 % 256 || '.' || n % 256,
      CASE WHEN n % 3 = 0 THEN 'booting' ELSE 'stopped' END, CASE WHEN n % 3 = 0 THEN 'running' ELSE 'preparing' END
    FROM generate_series(1, ${DESKTOPS}::int) AS n`.execute(db)
  await sql`ANALYZE`.execute(db)
}

/** Asks so many times a second, whether answers have come or not, beside somebody who writes. */
async function loaded(socket: string, database: TestDatabase): Promise<Map<string, number[]>> {
  const times = new Map(QUERIES.map((query) => [query, [] as number[]]))
  const db = database.as('hkd')
  const open: Promise<unknown>[] = []
  const began = performance.now()
  for (let asked = 0; asked < SECONDS * PER_SECOND; asked++) {
    await sleep(Math.max(0, began + (asked * 1_000) / PER_SECOND - performance.now()))
    const query = QUERIES[asked % QUERIES.length] ?? ''
    open.push(ask(socket, `/v1/desktops?${query}`).then((taken) => times.get(query)?.push(taken)))
    if ((asked * WRITES_PER_SECOND) % PER_SECOND < WRITES_PER_SECOND)
      open.push(
        sql`UPDATE ostler.vm SET warning = ${String(asked)} WHERE id = ${1 + ((asked * 7919) % DESKTOPS)}`.execute(
          db,
        ),
      )
  }
  await Promise.all(open)
  return times
}

async function ask(socketPath: string, path: string): Promise<number> {
  const began = performance.now()
  await new Promise<void>((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode ?? 0}`))
      response.resume().once('end', resolve)
    })
      .once('error', reject)
      .end()
  })
  return performance.now() - began
}

/** The whole list as qa prints it, and the same rows by psql. */
async function listings(qa: string, socket: string, database: TestDatabase): Promise<void> {
  const { host, port, database: name, user } = database.address('api')
  const rows = `SELECT vm.*, login FROM ostler.vm JOIN ostler.users ON users.id = user_id ORDER BY vm.id`
  const psql = ['-X', '-h', host, '-p', String(port), '-U', user, '-d', name, '-c', rows]
  for (let round = 1; round <= 3; round++) {
    const ours = await timed(process.execPath, [qa, 'vm', 'list'], { OSTLER_API_SOCKET: socket })
    const theirs = await timed('psql', psql, { PAGER: 'cat' })
    print(
      `qa vm list: first row ${ours.first.toFixed(0)} ms (to reach: 400), ${ours.lines} lines ${ours.all.toFixed(0)} ms (to reach: ` +
        `1200); psql: ${theirs.first.toFixed(0)} ms, ${theirs.lines} lines ${theirs.all.toFixed(0)} ms`,
    )
  }
}

async function timed(program: string, words: string[], env: Record<string, string>) {
  const began = performance.now()
  const child = spawn(program, words, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let [first, lines] = [0, 0]
  child.stdout.on('data', (chunk: Buffer) => {
    first ||= performance.now() - began
    for (const byte of chunk) if (byte === 10) lines++
  })
  await once(child, 'close')
  return { first, lines, all: performance.now() - began }
}

function at(times: readonly number[], part: number): string {
  const sorted = times.toSorted((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0).toFixed(1)
}

function rss(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kilobytes) / 1024)
}
