import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { Crew, CREW_WORDS, WorkerFailed } from '../l7r/crew.ts'
import { startL7r } from './l7r.ts'
import type { NodeValues } from './node-config.ts'

/** Milliseconds within which a process of the door ends once it is told to. */
export const DOOR_STOP_MS = 10_000

/** The first process of the door: it starts the others, and replaces them on SIGHUP. */
export async function leadCrew(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const crew = new Crew(config['l7r.workers'] || availableParallelism(), log)
  scope.defer(() => crew.stop(DOOR_STOP_MS))
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
  const drained = await startL7r(config, log, scope, configFile)
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
  process.send?.(CREW_WORDS.ready)
}

/** Lets a worker that has closed everything end: its line to the first process would keep it alive. */
export function leaveCrew(): void {
  if (process.connected) process.disconnect?.()
}
