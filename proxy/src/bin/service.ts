import { type Log, openLog } from '@ostler/kit/log.ts'
import { logSettings } from '@ostler/kit/log/options.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { serveUntilSignalled } from '@ostler/kit/service.ts'
import cluster from 'node:cluster'
import { loadNodeConfig, type NodeValues } from '../wiring/node-config.ts'
import { tellReady } from './tell-ready.ts'

/**
 * The life of a service: configuration, log, start, serve until it is told to stop, close everything.
 * @throws whatever the start throws, after everything that was opened has been closed.
 */
export async function runService(
  name: string,
  configFile: string,
  start: (config: NodeValues, log: Log, scope: Scope, configFile: string) => Promise<unknown>,
  closeWithinMs: number,
): Promise<void> {
  const { values, log } = await openService(name, configFile)
  await using scope = new Scope()
  await start(values, log, scope, configFile)
  if (cluster.isPrimary) await tellReady()
  await serveUntilSignalled(scope, log, closeWithinMs)
}

/** Reads the configuration and opens the log that it asks for. */
export async function openService(
  name: string,
  configFile: string,
): Promise<{ values: NodeValues; log: Log }> {
  const config = loadNodeConfig(configFile)
  const { settings, warnings } = logSettings(config)
  const log = await openLog({ name, settings })
  for (const warning of [...config.warnings, ...warnings]) log.warn('configuration', { warning })
  return { values: config.values, log }
}
