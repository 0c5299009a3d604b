import { Fault } from '@ostler/contract/fault.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { existsSync, writeFileSync } from 'node:fs'
import type { Subnet } from '../../model/address.ts'

/**
 * Makes the desktops' private bridge, unless it is there with this address already.
 * @throws Fault `node.missingFeature` or `node.network`.
 */
export async function ensureBridge(bridge: string, subnet: Subnet): Promise<void> {
  const address = `${subnet.gateway}/${subnet.prefix}`
  try {
    if (existsSync(`/sys/class/net/${bridge}`)) {
      const { stdout } = await run('ip', ['-4', '-oneline', 'address', 'show', 'dev', bridge])
      if (!stdout.includes(` ${address} `))
        throw new Fault('node.network', {
          reason: `the interface ${bridge} is there without the address ${address}`,
        })
      return void distrustLinkLocal(bridge)
    }
    await run('ip', ['link', 'add', 'name', bridge, 'type', 'bridge'])
    // Desktops speak IPv4 here; the bridge itself shall be silent.
    writeFileSync(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, '1')
    distrustLinkLocal(bridge)
    await run('ip', ['address', 'add', address, 'dev', bridge])
    await run('ip', ['link', 'set', bridge, 'up'])
  } catch (error) {
    if (error instanceof RunError && /Unknown device type|not supported/i.test(error.stderr))
      throw new Fault(
        'node.missingFeature',
        { feature: 'network bridges', cure: 'Use a kernel with CONFIG_BRIDGE (module bridge).' },
        { cause: error },
      )
    if (error instanceof RunError)
      throw new Fault('node.network', { reason: error.message }, { cause: error })
    throw error
  }
}

/** Frames to link-local groups (LLDP) pass no filter: the bridge must not learn from them who is where. */
function distrustLinkLocal(bridge: string): void {
  const file = `/sys/class/net/${bridge}/bridge/no_linklocal_learn`
  if (existsSync(file)) writeFileSync(file, '1')
}

/** Removes the bridge, if it is there. */
export async function removeBridge(bridge: string): Promise<void> {
  if (existsSync(`/sys/class/net/${bridge}`)) await run('ip', ['link', 'delete', bridge])
}
