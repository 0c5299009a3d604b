import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { spawn } from 'node:child_process'
import { dirname, extname, join } from 'node:path'
import { enterWithFence } from '../hkd/lease/enter-with-fence.ts'
import { HostKeeper } from '../hkd/lease/host-keeper.ts'
import { askPeer, servePeers } from '../hkd/lease/peers.ts'
import type { NodeTrust } from '../hkd/trust.ts'
import { FenceLink } from '../hypervisor/fence/fence-link.ts'
import { HOST_CLOCKS } from '../model/host-lease.ts'
import { declareLost, wishUpAgain } from '../store/host-service.ts'
import { HostTick } from '../store/host-tick.ts'
import { setHostState } from '../store/hosts.ts'
import type { DatabaseAddress, Db } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { fencePidFile, fenceSocket } from './node-parts.ts'

const FENCE_READY_MS = 20_000

export interface LeasedNode {
  readonly config: NodeValues
  readonly configFile: string
  readonly db: Db
  readonly address: DatabaseAddress
  readonly hostId: number
  readonly trust: NodeTrust
  /** What runs the fence, where none does yet. */
  readonly fenceProgram: string
  readonly onTick: () => void
  readonly log: Log
}

/** The program of the fence, which lies beside the one that runs now. */
export function fenceProgramHere(): string {
  const own = process.argv[1] ?? ''
  return join(dirname(own), `fence${extname(own)}`)
}

/**
 * Brings a node into service among those that share its database: the fence first, then its row, then ticks. When the scope closes,
 * the row says that it has stopped, and the fence lets desktops be for as long as that is so.
 *
 * @throws Fault `node.noFence`; whatever keeps it from the database.
 */
export async function openLease(node: LeasedNode, scope: Scope): Promise<HostKeeper> {
  const { config, db, address, hostId, trust, onTick, log } = node
  const clocks = HOST_CLOCKS
  const fence = await openFenceLink(node)
  const here: { keeper?: HostKeeper } = {}
  const listen = config['hkd.peer.address']
  const peers = scope.own(
    await servePeers({
      identity: () => trust.own,
      node: config['nodename'],
      answer: () => here.keeper?.answer() ?? 'sees',
      address: listen === '' ? '*' : listen,
      port: config['hkd.peer.port'],
      log,
    }),
  )
  const place = { address: listen === '' ? config['nodename'] : listen, port: peers.port }
  const ticks = scope.own(new HostTick(address, hostId, 2 * clocks.tickMs))
  scope.defer(() => leaveService(db, hostId, fence, log))
  await enterWithFence({ db, hostId, fence, place, clocks })
  const keeper = scope.own(
    new HostKeeper({
      ...{ clocks, onTick, log },
      tick: (told) => ticks.tick(told),
      setFence: (until) => fence.set(until),
      ask: (member) => askPeer(member, trust.own, clocks.tickMs),
      declareLost: (standing, host) => declareLost(db, { id: hostId, standing }, host),
      onEnded: () => wishUpAgain(db, hostId),
      onLost: endToComeBack,
    }),
  )
  here.keeper = keeper
  await keeper.start()
  return keeper
}

/** Nobody takes the desktops of a node that has stopped: they go on without a fence. */
async function leaveService(db: Db, hostId: number, fence: FenceLink, log: Log): Promise<void> {
  try {
    if (await setHostState(db, hostId, 'stopped')) await fence.set(Infinity)
  } catch (error) {
    log.warn('the end of this node could not be written down: its desktops end with its lease', { error })
  }
}

/** The service manager starts it anew, and it comes back as a node that has no desktops. */
function endToComeBack(): void {
  process.exitCode = 75
  process.kill(process.pid, 'SIGTERM')
}

/** The fence of this node, which is started if there is none. @throws Fault `node.noFence`. */
async function openFenceLink({ config, configFile, fenceProgram, log }: LeasedNode): Promise<FenceLink> {
  let isStarting = false
  const start = (): void => {
    // One that is just coming up does not answer yet, and one that hangs is still the fence.
    if (isStarting || pidFileHolder(fencePidFile(config)) !== undefined) return
    isStarting = true
    const child = spawn(process.execPath, [fenceProgram, '--config', configFile], {
      ...{ stdio: 'ignore', detached: true, cwd: '/', env: DEFAULT_ENV },
    })
    child.on('error', (error) => log.error('the fence could not be started', { error }))
    child.on('close', () => (isStarting = false))
    child.unref()
  }
  const link = new FenceLink(fenceSocket(config), start)
  start()
  const isReady = (): Promise<boolean> =>
    link.look().then(
      () => true,
      () => false,
    )
  if (!(await comesToHold(isReady, FENCE_READY_MS, 50)))
    throw new Fault('node.noFence', { file: fenceSocket(config) })
  return link
}
