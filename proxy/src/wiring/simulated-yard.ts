import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { mkdirSync, readFileSync } from 'node:fs'
import { Yard } from '../hypervisor/simulated/yard.ts'
import { serveYard } from '../hypervisor/simulated/yard-server.ts'
import type { NodeValues } from './node-config.ts'
import { requireAccount, yardSocket } from './node-parts.ts'

/**
 * Starts the simulated machines of a node whose `vm.hypervisor` is `simulated`. They end with this process, and with nothing else.
 * @throws Fault `config.invalid` when the rules cannot be read.
 */
export async function startYard(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  mkdirSync(config['path.run'], { recursive: true, mode: 0o755 })
  const file = config['vm.simulated.rules']
  const yard = new Yard(
    config['path.run'],
    requireAccount(config['l7r.as_user']).gid,
    file === undefined ? {} : readRules(file),
  )
  scope.own(yard)
  scope.own(await serveYard(yard, yardSocket(config)))
  log.info('yard ready')
}

function readRules(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('config.invalid', { problems: `${file}: ${reason}` }, { cause })
  }
}
