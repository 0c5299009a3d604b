import { silentLog } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import type { CallerIdentity } from '@ostler/proxy/guest/agent-link.ts'
import { enterWithFence } from '@ostler/proxy/hkd/lease/enter-with-fence.ts'
import { HostKeeper } from '@ostler/proxy/hkd/lease/host-keeper.ts'
import { askPeer, servePeers } from '@ostler/proxy/hkd/lease/peers.ts'
import { FenceLink } from '@ostler/proxy/hypervisor/fence/fence-link.ts'
import { HOST_CLOCKS } from '@ostler/proxy/model/host-lease.ts'
import { declareLost } from '@ostler/proxy/store/host-service.ts'
import { HostTick } from '@ostler/proxy/store/host-tick.ts'
import { type DatabaseAddress, openDatabase } from '@ostler/proxy/store/open.ts'
import { readFileSync } from 'node:fs'

/** What an hkd does about its lease, in a process that can be stopped: said on standard output, a line for each event. */
export interface LeasedNodeSettings {
  readonly address: DatabaseAddress
  readonly hostId: number
  readonly node: string
  readonly identity: CallerIdentity
  /** Socket of its fence. */
  readonly fence: string
}

const say = (event: string): void => console.log(`${monotonicMs()} ${event}`)

const { address, hostId, node, identity, fence } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
) as LeasedNodeSettings
const db = openDatabase(address, silentLog)
const link = new FenceLink(fence)
const here: { keeper?: HostKeeper } = {}
const peers = await servePeers({
  identity: () => identity,
  node,
  answer: () => here.keeper?.answer() ?? 'sees',
  address: '127.0.0.1',
  port: 0,
  log: silentLog,
})
const place = { address: '127.0.0.1', port: peers.port }
await enterWithFence({ db, hostId, fence: link, place, clocks: HOST_CLOCKS })
const ticks = new HostTick(address, hostId, 2 * HOST_CLOCKS.tickMs)
here.keeper = new HostKeeper({
  clocks: HOST_CLOCKS,
  tick: (told) => ticks.tick(told),
  setFence: (until) => link.set(until),
  ask: (member) => askPeer(member, identity, HOST_CLOCKS.tickMs),
  declareLost: async (standing, host) => {
    const taken = await declareLost(db, { id: hostId, standing }, host)
    if (taken !== undefined) say(`took ${taken.freed} of ${host.name}`)
    return taken
  },
  onEnded: () => {
    say('ended')
    return Promise.resolve()
  },
  onLost: () => {
    say('lost')
    process.exit(75)
  },
  onTick: () => say('ticked'),
  log: silentLog,
})
await here.keeper.start()
say('in service')
