import { type Log, openLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { serveUntilSignalled } from '@ostler/kit/service.ts'
import { loadNodeConfig, type NodeValues } from '../wiring/node-config.ts'

/**
 * The life of a service: configuration, log, start, serve until it is told to stop, close everything.
 * @throws whatever the start throws, after everything that was opened has been closed.
 */
export async function runService(
  name: string,
  configFile: string,
  start: (config: NodeValues, log: Log, scope: Scope) => Promise<void>,
  closeWithinMs: number,
): Promise<void> {
  const { values, log } = openService(name, configFile)
  await using scope = new Scope()
  await start(values, log, scope)
  await serveUntilSignalled(scope, log, closeWithinMs)
}

/** Reads the configuration and opens the log that it asks for. */
export function openService(name: string, configFile: string): { values: NodeValues; log: Log } {
  const { values, warnings } = loadNodeConfig(configFile)
  const log = openLog({ name, level: values['log.level'], filename: values['log.filename'] })
  for (const warning of warnings) log.warn('configuration', { warning })
  return { values, log }
}
