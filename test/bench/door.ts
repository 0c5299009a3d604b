import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Scope } from '@ostler/kit/scope.ts'
import { load, median, print } from './figures.ts'
import type { Order, Outcome } from './door/clients.ts'
import { MESSAGES_PER_SECOND } from './door/far-end.ts'
import { certificateOf, openBackend, openHaproxy, openNginx, openOstler, type Peer } from './door/peers.ts'

/**
 * Ostler's door beside Debian's HAProxy and nginx: what a stream, a message and a login cost each of them in CPU, and
 * what a session keeps in memory. One run, turn and turn about; what counts is the ratio within a round.
 * Prints; never judges. Usage: door.ts [rounds] [short]
 */
const ROUNDS = Number(process.argv[2] ?? 5)
const SHORT = process.argv[3] === 'short'
const LISTENERS = SHORT ? 300 : 2_000
const IDLE = SHORT ? 100 : 200
const KEPT = SHORT ? 150 : 1_000
/** What logins leave to be collected must not be taken for the sessions'. */
const WARM_UP = SHORT ? 150 : 600
const SECONDS = SHORT ? 2 : 4
const PINGS = SHORT ? 1_000 : 5_000
const LOGINS = SHORT ? 60 : 300
const BULK = SHORT ? 200_000_000 : 1_000_000_000
const MANY = 50
const STREAMED = 2_000_000
const SETTLE_MS = SHORT ? 1_000 : 3_000

/** What is measured: a unit, and per round and peer one value. */
interface Row {
  readonly title: string
  readonly unit: string
  readonly goal?: number
  /** The goal is a value of its own, not a ratio. */
  readonly absolute?: boolean
}

const ROWS = {
  login: { title: 'full login, CPU', unit: 'ms', goal: 1.4 },
  resumed: { title: 'resumed login, CPU', unit: 'ms' },
  p50: { title: `ping p50, ${IDLE} idle sessions`, unit: 'us', goal: 1.05 },
  p99: { title: 'ping p99', unit: 'us' },
  pingCpu: { title: 'ping, CPU', unit: 'us' },
  down1: { title: 'bulk to the client, 1 session, CPU/GB', unit: 's', goal: 0.9 },
  down50: { title: `bulk to the client, ${MANY} sessions, CPU/GB`, unit: 's', goal: 0.9 },
  up1: { title: 'bulk to the guest, 1 session, CPU/GB', unit: 's' },
  message: { title: `message of ${LISTENERS * MESSAGES_PER_SECOND}/s, CPU`, unit: 'us', goal: 1.4 },
  lost: { title: 'messages lost or out of order', unit: '', goal: 0, absolute: true },
  idle: { title: 'memory of an idle session', unit: 'KB', goal: 40, absolute: true },
  kept: { title: 'memory of a session after 2 MB', unit: 'KB', goal: 100, absolute: true },
  database: { title: "PostgreSQL's CPU of a login", unit: 'ms' },
} as const satisfies Record<string, Row>
type Key = keyof typeof ROWS

const values = new Map<string, number[]>()

await using scope = new Scope()
// Whoever interrupts it finds no door, no proxy and no database left behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void scope.close().finally(() => process.exit(1)))
const folder = mkdtempSync(join(tmpdir(), 'ostler-bench-'))
scope.defer(() => rmSync(folder, { recursive: true, force: true }))
print(`load average before: ${load()}`)
const ostler = scope.own(await openOstler(LISTENERS))
const certificate = certificateOf(ostler.room, folder)
const backend = scope.own(await openBackend())
const peers: readonly Peer[] = [
  scope.own(await openHaproxy(folder, certificate, backend.port)),
  ostler,
  scope.own(await openNginx(folder, certificate, backend.port)),
]
for (const peer of peers) await measureMemory(peer)
for (let round = 0; round < ROUNDS; round++) {
  for (let turn = 0; turn < peers.length; turn++) {
    const peer = peers[(round + turn) % peers.length]
    if (peer !== undefined) await measureRound(peer)
  }
  print(`round ${round + 1} of ${ROUNDS}, load average ${load()}`)
}
printTable()
print(`load average after: ${load()}`)

/** What a session keeps. Once per peer: what a process has taken it seldom gives back. */
async function measureMemory(peer: Peer): Promise<void> {
  await using clients = openClients(peer)
  await clients.order({ do: 'login', times: WARM_UP, resumed: false })
  await clients.order({ do: 'open', sessions: 1 })
  await clients.order({ do: 'download', sessions: 1, bytes: 30_000_000 })
  await clients.order({ do: 'close' })
  await sleep(SETTLE_MS)
  const base = peer.rss()
  await clients.order({ do: 'open', sessions: KEPT })
  await sleep(SETTLE_MS)
  note(peer, 'idle', (peer.rss() - base) / KEPT)
  await clients.order({ do: 'download', sessions: KEPT, bytes: STREAMED })
  await sleep(SETTLE_MS)
  note(peer, 'kept', (peer.rss() - base) / KEPT)
}

async function measureRound(peer: Peer): Promise<void> {
  await using clients = openClients(peer)
  const cpu = async (order: Order): Promise<Outcome & { cpu: number; database: number }> => {
    const [before, base] = [peer.cpu(), peer.databaseCpu()]
    const outcome = await clients.order(order)
    return { ...outcome, cpu: peer.cpu() - before, database: peer.databaseCpu() - base }
  }
  await clients.order({ do: 'login', times: 20, resumed: false })
  const full = await cpu({ do: 'login', times: LOGINS, resumed: false })
  note(peer, 'login', (full.cpu / LOGINS) * 1e3)
  if (full.database > 0) note(peer, 'database', (full.database / LOGINS) * 1e3)
  const resumed = await cpu({ do: 'login', times: LOGINS, resumed: true })
  if ((resumed.received ?? 0) === LOGINS) note(peer, 'resumed', (resumed.cpu / LOGINS) * 1e3)

  await clients.order({ do: 'open', sessions: IDLE })
  await clients.order({ do: 'ping', times: PINGS / 10 })
  const ping = await cpu({ do: 'ping', times: PINGS })
  note(peer, 'p50', ping.p50 ?? 0)
  note(peer, 'p99', ping.p99 ?? 0)
  note(peer, 'pingCpu', (ping.cpu / PINGS) * 1e6)

  const perGb = async (order: { do: 'download' | 'upload'; sessions: number; bytes: number }) =>
    ((await cpu(order)).cpu / (order.bytes * order.sessions)) * 1e9
  await clients.order({ do: 'download', sessions: 1, bytes: BULK / 20 })
  note(peer, 'down1', await perGb({ do: 'download', sessions: 1, bytes: BULK }))
  note(peer, 'down50', await perGb({ do: 'download', sessions: MANY, bytes: BULK / MANY }))
  note(peer, 'up1', await perGb({ do: 'upload', sessions: 1, bytes: BULK }))

  await clients.order({ do: 'open', sessions: LISTENERS - IDLE })
  const messages = MESSAGES_PER_SECOND * SECONDS
  const heard = await cpu({ do: 'listen', sessions: LISTENERS, messages })
  note(peer, 'message', (heard.cpu / (LISTENERS * messages)) * 1e6)
  note(peer, 'lost', heard.lost ?? 0)
}

/** Clients of one door, in a process of their own. */
function openClients(peer: Peer): { order(order: Order): Promise<Outcome> } & AsyncDisposable {
  const child = fork(join(import.meta.dirname, 'door/clients.ts'))
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    order: (order) =>
      new Promise((resolve, reject) => {
        const left = (): void => reject(new Error('the clients ended'))
        child.once('exit', left)
        child.once('message', (message) => {
          child.off('exit', left)
          const { outcome, failed } = message as { outcome?: Outcome; failed?: string }
          if (outcome !== undefined) resolve(outcome)
          else reject(new Error(`${peer.name}, ${order.do}: ${failed ?? ''}`))
        })
        child.send({ to: peer.door, order })
      }),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await gone
      // The door must be done with them before somebody else is measured.
      await sleep(SETTLE_MS)
    },
  }
}

function note(peer: Peer, key: Key, value: number): void {
  const name = `${peer.name} ${key}`
  values.set(name, [...(values.get(name) ?? []), value])
}

function printTable(): void {
  print(`${''.padEnd(46)}${'HAProxy'.padStart(10)}  ${'Ostler'.padEnd(26)}${'nginx'.padEnd(26)}goal`)
  for (const [key, row] of Object.entries(ROWS) as [Key, Row][]) {
    const base = values.get(`HAProxy ${key}`) ?? []
    const unit = row.absolute === true || key === 'database' ? row.unit : ''
    const cell = (name: string): { text: string; value: number } => {
      const own = values.get(`${name} ${key}`) ?? []
      if (own.length === 0) return { text: '-', value: Number.NaN }
      const shown = unit !== '' || row.absolute === true ? own : own.map((each, i) => each / (base[i] ?? 0))
      const digits = unit === '' && row.absolute !== true ? 2 : 1
      const [low, high] = [Math.min(...shown), Math.max(...shown)]
      const range = shown.length > 1 ? ` [${low.toFixed(digits)}-${high.toFixed(digits)}]` : ''
      return { text: `${median(shown).toFixed(digits)}${range} ${unit}`, value: median(shown) }
    }
    const own = cell('Ostler')
    const haproxy = base.length === 0 ? '-' : `${median(base).toFixed(2)} ${row.unit}`
    const goal =
      row.goal === undefined ? '' : `<= ${row.goal} ${own.value <= row.goal ? 'reached' : 'NOT REACHED'}`
    print(
      `${row.title.padEnd(46)}${haproxy.padStart(10)}  ${own.text.padEnd(26)}${cell('nginx').text.padEnd(26)}${goal}`,
    )
  }
}
