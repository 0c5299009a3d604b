import { lastSentence } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { runMain } from '@ostler/kit/service.ts'
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { Crew, CREW_WORDS, WorkerFailed } from '../l7r/crew.ts'
import { startL7r } from '../wiring/l7r.ts'
import type { NodeValues } from '../wiring/node-config.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `ostler-l7r: the door of a node: TLS, sign-in, the portal, and the display streams.

usage: ostler-l7r [--config FILE]   run it as the user named by l7r.as_user; it needs no root

The first process hands connections to l7r.workers others. SIGHUP replaces those by what now lies on the disk: the old
ones take nobody in any more and end with their last session. SIGTERM ends all of them.`

const STOP_MS = 10_000

async function main(): Promise<void> {
  const options = parseArguments(USAGE)
  if (options === undefined) return
  if (cluster.isPrimary) await silently(runService('ostler-l7r', options.config, lead, STOP_MS + 2_000))
  else {
    await runService('ostler-l7r', options.config, work, STOP_MS)
    // The line to the first process would keep this one alive.
    if (process.connected) process.disconnect?.()
  }
}

/** The first process. */
async function lead(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const crew = new Crew(config['l7r.workers'] || availableParallelism(), log)
  scope.defer(() => crew.stop(STOP_MS))
  process.on('SIGHUP', () => void crew.replace())
  await crew.start()
}

/** One of those who serve. */
async function work(config: NodeValues, log: Log, scope: Scope, configFile: string): Promise<void> {
  // A worker outlives the first process for the sake of its sessions; Node would end it.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
  process.on('SIGHUP', () => {})
  const drained = await startL7r(config, log, scope, configFile)
  let leaving = false
  const leave = (): void => {
    if (leaving) return
    leaving = true
    log.info('taking nobody in any more')
    void drained().then(() => process.kill(process.pid, 'SIGTERM'))
  }
  process.on('message', (word) => {
    if (word === CREW_WORDS.drain) leave()
  })
  process.once('disconnect', () => {
    if (!scope.signal.aborted) leave()
  })
  process.send?.(CREW_WORDS.ready)
}

/** A worker that could not start has said why: that is the last word. */
async function silently(service: Promise<void>): Promise<void> {
  try {
    await service
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error
    process.exit(error.exitCode)
  }
}

runMain(main, lastSentence)
