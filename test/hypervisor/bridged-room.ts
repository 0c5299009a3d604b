import { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { type CgroupLayout, cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'
import { freeSubnet } from '../fixtures/world.ts'

/** A folder and a bridge of their own; both end with the scope. */
export interface BridgedRoom {
  readonly scope: Scope
  readonly folder: string
  readonly subnet: number
  /** Begins the names of what a driver makes. */
  readonly prefix: string
  readonly layout: CgroupLayout
  readonly network: { gateway: string; prefix: number; bridge: string; macPrefix: string }
}

/** @param driver names the folder; @param letters begin the prefix. */
export async function bridgedRoom(driver: string, letters: string): Promise<BridgedRoom> {
  const layout = cgroupLayout()
  if (layout === undefined) throw new Error('this machine has no control groups')
  const subnet = freeSubnet()
  const bridge = `otest${subnet}`
  const folder = mkdtempSync(`/var/lib/ostler-${driver}-room-`)
  chmodSync(folder, 0o711)
  const scope = new Scope()
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  const network = { gateway: `10.3.${subnet}.1`, prefix: 24, bridge, macPrefix: '54:52:00' }
  await ensureBridge(bridge, network)
  scope.defer(() => removeBridge(bridge))
  return { scope, folder, subnet, prefix: `${letters}${subnet}-`, layout, network }
}
