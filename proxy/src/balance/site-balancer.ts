import { Fault } from '@ostler/contract/fault.ts'
import { openToOthers } from '@ostler/kit/root-only.ts'
import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { HostLoad } from '../model/host.ts'
import type { LoadBalancer, PlaceNeed } from './balancer.ts'

/**
 * Loads a balancer of an administrator's: a module whose only duty is a function `choose(hosts, need)` that gives the `id` of one of
 * the nodes, or nothing. It runs in hkd, so it must be root's alone. What it says that cannot be is no choice.
 *
 * @throws Fault `config.invalid`.
 */
export async function loadSiteBalancer(file: string): Promise<LoadBalancer> {
  const invalid = (reason: string, cause?: unknown): Fault =>
    new Fault('config.invalid', { problems: `path.hkd.balancer: ${file}: ${reason}` }, { cause })
  let module: Record<string, unknown>
  try {
    const open = openToOthers(realpathSync(file))
    if (open !== undefined) throw invalid(open)
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (cause) {
    throw cause instanceof Fault
      ? cause
      : invalid(cause instanceof Error ? cause.message : String(cause), cause)
  }
  const choose = module['choose']
  if (typeof choose !== 'function') throw invalid('it exports no function choose')
  const ask = choose as (hosts: readonly HostLoad[], need: PlaceNeed) => unknown
  return {
    name: 'site',
    choose: (hosts, need) => {
      const said = ask(hosts, need)
      const chosen = hosts.find(({ id }) => id === said)
      return chosen === undefined || chosen.totalMb - chosen.usedMb < need.memoryMb ? undefined : chosen.id
    },
  }
}
