import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import {
  Crew,
  CREW_WORDS,
  type CrewCounts,
  type CrewNews,
  type CrewStatus,
  SHUT,
  WorkerFailed,
} from '../l7r/crew/crew.ts'
import { endLeftBehind } from '../l7r/crew/left-behind.ts'
import { takeGivenSocket } from '../l7r/listen/given-socket.ts'
import { rotated, TakenKeys } from '../l7r/listen/ticket-keys.ts'
import { answerLocally, askLocally } from './asked-locally.ts'
import { type Door, startL7r } from './l7r.ts'
import type { NodeValues } from './node-config.ts'
import { doorSocket } from './node-parts.ts'

/** Milliseconds within which a process of the door ends once it is told to. */
export const DOOR_STOP_MS = 10_000
/** EX_TEMPFAIL: whoever started us should do so again. */
const EXIT_AGAIN = 75

/** What a worker that is killed had counted since is lost. */
const TELL_MS = 5_000

/**
 * The first process of the door: it starts the others, and replaces them on SIGHUP. On SIGUSR2 it ends alone, and leaves
 * sessions to them; whoever is told to end by the next first process is found by it.
 */
export async function leadCrew(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  // In memory alone: who finds them later could read what was said under them.
  let keys = rotated([])
  const givenSocket = takeGivenSocket(process.env, process.pid)
  if (givenSocket !== undefined)
    log.info("the socket is the service manager's; l7r.address and l7r.port are not used")
  const news = (): CrewNews => ({ ticketKeys: keys.map((key) => key.toString('base64')), givenSocket })
  const size = config['l7r.workers'] || availableParallelism()
  const crew = new Crew(size, news(), log, () => {
    // Without workers Node closes the socket, which nobody but the service manager can open again; people wait in it.
    if (givenSocket === undefined) return
    log.error('the last worker is gone, and the given socket with it')
    void scope.close().then(() => process.exit(EXIT_AGAIN))
  })
  let handsOver = false
  scope.defer(async () => {
    if (handsOver) return
    await Promise.all([crew.stop(DOOR_STOP_MS), endLeftBehind(DOOR_STOP_MS)])
  })
  const rotation = setInterval(() => {
    keys = rotated(keys)
    crew.tell(news())
    log.debug('new key for session tickets')
  }, config['internal.l7r.ticket_key'] * 1_000)
  scope.defer(() => clearInterval(rotation))
  process.on('SIGHUP', () => void crew.replace())
  process.once('SIGUSR2', () => {
    log.info('another first process may come; sessions stay with their workers')
    handsOver = true
    crew.release()
    void scope.close().then(() => process.exit(0))
  })
  // Until it serves, nobody else hears that it is told to end.
  const endEarly = (): void => void scope.close().then(() => process.exit(0))
  process.once('SIGTERM', endEarly)
  try {
    await crew.start()
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error
    // It has said why on standard error: that is the last word.
    await scope.close()
    process.exit(error.exitCode)
  }
  // Only now: a door that cannot have its port must not take the place of the one that has it.
  await answerLocally(
    {
      'GET /metrics': () => crew.metrics(),
      'GET /status': () => crew.status(),
      'POST /drain': () => (crew.shut(), crew.status()),
      'POST /open': () => (crew.open(), crew.status()),
    },
    { socket: doorSocket(config), loopback: config['l7r.metrics.listen'] },
    log,
    scope,
  )
  process.off('SIGTERM', endEarly)
}

/** What an administrator may ask or tell a door. */
export const DOOR_COMMANDS = ['status', 'drain', 'open'] as const

/**
 * Asks or tells the door of a configuration.
 * @returns how it stands then, in words.
 * @throws Fault `node.notRunning` when there is none.
 */
export async function commandDoor(
  config: NodeValues,
  command: (typeof DOOR_COMMANDS)[number],
): Promise<string> {
  const socket = doorSocket(config)
  const asked = askLocally(socket, command === 'status' ? 'GET' : 'POST', `/${command}`)
  const answer = await asked.catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('node.notRunning', { program: 'ostler-l7r', socket, reason }, { cause })
  })
  const { door, streams, connections, workers } = JSON.parse(answer) as CrewStatus
  const each = workers.map(
    (worker) => `  worker ${worker.pid} ${worker.state}: ${counted(worker.streams, worker.connections)}`,
  )
  return [`the door is ${door}: ${counted(streams, connections)}`, ...each].join('\n')
}

function counted(streams: number, connections: number): string {
  return `${streams} sessions, ${connections} connections`
}

/** One of those who serve the door. */
export async function joinCrew(
  config: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<void> {
  // A worker outlives the first process for the sake of its sessions; Node would end it.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
  process.on('SIGHUP', () => {})
  const { ticketKeys, givenSocket } = await hearNews()
  let door: Door | undefined
  const tell = async (): Promise<void> => {
    if (door === undefined || !process.connected) return
    const said: CrewCounts = { counts: await door.metrics.getMetricsAsJSON() }
    await new Promise<void>((resolve) => {
      if (process.send?.(said, undefined, {}, () => resolve()) === undefined) resolve()
    })
  }
  // The last of all that is closed: then every stream has been counted.
  scope.defer(tell)
  const starting = startL7r(config, log, scope, { configFile, ticketKeys, givenSocket })
  const { drained, shut } = (door = await whileLed(starting))
  shut(process.env[SHUT] === '1')
  const telling = setInterval(() => void tell(), TELL_MS)
  scope.defer(() => clearInterval(telling))
  let leaving = false
  const leave = (): void => {
    if (leaving || scope.signal.aborted) return
    leaving = true
    log.info('taking nobody in any more')
    void drained().then(() => process.kill(process.pid, 'SIGTERM'))
  }
  process.on('message', (word) => {
    if (word === CREW_WORDS.drain) leave()
    if (word === CREW_WORDS.shut) shut(true)
    if (word === CREW_WORDS.open) shut(false)
    if (word === CREW_WORDS.tell) void tell()
  })
  process.once('disconnect', leave)
  if (!process.connected) leave()
  process.send?.(CREW_WORDS.ready)
}

/** What the first process tells, from its first word on; if it is gone, keys of this worker's own. */
async function hearNews(): Promise<{ ticketKeys: TakenKeys; givenSocket: number | undefined }> {
  const ticketKeys = new TakenKeys()
  const givenSocket = await new Promise<number | undefined>((resolve) => {
    process.on('message', (word) => {
      if (typeof word !== 'object' || word === null || !('ticketKeys' in word)) return
      const news = word as CrewNews
      ticketKeys.take(news.ticketKeys.map((key) => Buffer.from(key, 'base64')))
      resolve(news.givenSocket)
    })
    process.once('disconnect', () => resolve(undefined))
    if (!process.connected) resolve(undefined)
  })
  return { ticketKeys, givenSocket }
}

/**
 * Waits for a start as long as there is a first process: without it nobody gives this one a socket to listen on, and it
 * has no sessions yet for whose sake it should stay.
 * @throws Fault `node.alone`, or what the start throws.
 */
async function whileLed<T>(starting: Promise<T>): Promise<T> {
  const alone = Promise.withResolvers<never>()
  const leave = (): void => alone.reject(new Fault('node.alone', { program: 'ostler-l7r' }))
  process.once('disconnect', leave)
  if (!process.connected) leave()
  try {
    return await Promise.race([starting, alone.promise])
  } finally {
    process.off('disconnect', leave)
  }
}

/** Lets a worker that has closed everything end: its line to the first process would keep it alive. */
export function leaveCrew(): void {
  if (process.connected) process.disconnect?.()
}
