import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { existsSync } from 'node:fs'

/**
 * Makes the network device of a machine, on the bridge, for one user. One of that name that is there is removed: it
 * may be another user's.
 * @throws Fault `node.network`.
 */
export async function makeTap(tap: string, bridge: string, uid: number): Promise<void> {
  try {
    await removeTap(tap)
    await run('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'user', String(uid)])
    await run('ip', ['link', 'set', 'dev', tap, 'master', bridge, 'up'])
  } catch (cause) {
    throw new Fault('node.network', { reason: cause instanceof Error ? cause.message : '' }, { cause })
  }
}

export async function removeTap(tap: string): Promise<void> {
  if (existsSync(`/sys/class/net/${tap}`)) await run('ip', ['link', 'delete', 'dev', tap])
}
