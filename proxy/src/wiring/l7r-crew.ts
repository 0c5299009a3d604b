import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { Crew, CREW_WORDS, type CrewNews, WorkerFailed } from '../l7r/crew.ts'
import { takeGivenSocket } from '../l7r/listen/given-socket.ts'
import { rotated, TakenKeys } from '../l7r/listen/ticket-keys.ts'
import { startL7r } from './l7r.ts'
import type { NodeValues } from './node-config.ts'

/** Milliseconds within which a process of the door ends once it is told to. */
export const DOOR_STOP_MS = 10_000
/** EX_TEMPFAIL: whoever started us should do so again. */
const EXIT_AGAIN = 75

/** The first process of the door: it starts the others, and replaces them on SIGHUP. */
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
  scope.defer(() => crew.stop(DOOR_STOP_MS))
  const rotation = setInterval(() => {
    keys = rotated(keys)
    crew.tell(news())
    log.debug('new key for session tickets')
  }, config['internal.l7r.ticket_key'] * 1_000)
  scope.defer(() => clearInterval(rotation))
  process.on('SIGHUP', () => void crew.replace())
  try {
    await crew.start()
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error
    // It has said why on standard error: that is the last word.
    await scope.close()
    process.exit(error.exitCode)
  }
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
  const drained = await startL7r(config, log, scope, { configFile, ticketKeys, givenSocket })
  let leaving = false
  const leave = (): void => {
    if (leaving || scope.signal.aborted) return
    leaving = true
    log.info('taking nobody in any more')
    void drained().then(() => process.kill(process.pid, 'SIGTERM'))
  }
  process.on('message', (word) => {
    if (word === CREW_WORDS.drain) leave()
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

/** Lets a worker that has closed everything end: its line to the first process would keep it alive. */
export function leaveCrew(): void {
  if (process.connected) process.disconnect?.()
}
