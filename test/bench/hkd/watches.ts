import { comesToHold } from '@ostler/kit/poll.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { simulatedHypervisor } from '../../../proxy/src/hypervisor/simulated/simulated.ts'
import { yardSocket } from '../../../proxy/src/wiring/node-parts.ts'
import { loadNodeConfig } from '../../../proxy/src/wiring/node-config.ts'
import { BrokenNode } from '../../chaos/broken-node.ts'
import { isSealed, runSealed } from '../../chaos/sealed.ts'
import { print } from '../figures.ts'
import { cpuOfTree, rssOfTree } from '../processes.ts'

const UP_MS = 600_000
const SETTLE_MS = 10_000
const MEASURE_MS = 30_000
/** Until what so many starts at once have left behind is collected. */
const REST_MS = 60_000
const DYING = 50

/** What hkd itself spends on watching so many agents, which live in another process, and how soon it sees them die. */
export async function benchWatches(agents: number): Promise<void> {
  if (!isSealed()) {
    await runSealed([process.execPath, process.argv[1] ?? '', 'watches', String(agents)])
    return
  }
  await using node = await BrokenNode.open(
    { driver: 'simulated', rounds: 0, seed: 1, from: 1, speed: 1, desktops: 2 },
    { 'hkd.vm.starting.max': '40' },
    [],
  )
  const hkd = node.world.node.process('hkd')
  await sleep(SETTLE_MS)
  const idle = await spend(hkd.pid, SETTLE_MS)
  await node.sql(`UPDATE ostler.host SET memory_mb = 100000000`)
  await node.sql(
    `INSERT INTO ostler.users (login, password) SELECT 'crowd' || n, '' FROM generate_series(1, $1::int) n`,
    [agents],
  )
  await node.sql(`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address)
    SELECT login, id, 1, '10.200.' || id / 256 || '.' || id % 256 FROM ostler.users WHERE login LIKE 'crowd%'`)
  const began = performance.now()
  await node.sql(`
    INSERT INTO ostler.wish (vm_id, kind, by, reason) SELECT id, 'run', 'bench', 'bench' FROM ostler.vm WHERE name LIKE 'crowd%'`)
  await node.sql(`SELECT pg_notify('ostler_vm', '')`)
  const up = (): Promise<boolean> =>
    node.agentsConnected().then(
      (count) => count >= agents,
      () => false,
    )
  if (!(await comesToHold(up, UP_MS, 200))) throw new Error('not all agents came up')
  print(`  ${agents} desktops were started in ${((performance.now() - began) / 1_000).toFixed(1)} s`)
  await sleep(REST_MS)
  const busy = await spend(hkd.pid, MEASURE_MS)
  print(`  hkd without agents: ${percent(idle.share)} of a core, ${mb(idle.kb)} MB`)
  print(
    `  hkd with ${agents} agents: ${percent(busy.share)} of a core, ${mb(busy.kb)} MB, ${mb(busy.kb - idle.kb)} MB more`,
  )
  const dying = await node.sql<{ id: number }>(
    `SELECT id FROM ostler.vm WHERE state = 'running' ORDER BY id LIMIT ${DYING}`,
  )
  using yard = simulatedHypervisor(yardSocket(loadNodeConfig(node.world.node.config).values))
  const killed = performance.now()
  await Promise.all(dying.map(({ id }) => yard.kill(id)))
  const ids = dying.map(({ id }) => id).join()
  const gone = async (): Promise<boolean> =>
    (await node.sql(`SELECT FROM ostler.vm WHERE id IN (${ids}) AND state <> 'stopped'`)).length === 0
  const seen = await comesToHold(gone, 60_000, 10)
  print(`  ${dying.length} that died at once: ${seen ? `all seen after ${since(killed)} s` : 'not all seen'}`)
  node.signal('simulated-yard', 'SIGSTOP')
  const silent = performance.now()
  const heard = await comesToHold(() => node.agentsConnected().then((count) => count === 0), 60_000, 50)
  print(`  all others silent at once: ${heard ? `all seen after ${since(silent)} s` : 'not all seen'}`)
}

async function spend(pid: number, ms: number): Promise<{ share: number; kb: number }> {
  const [cpu, began] = [cpuOfTree(pid), performance.now()]
  await sleep(ms)
  return { share: ((cpuOfTree(pid) - cpu) * 1_000) / (performance.now() - began), kb: rssOfTree(pid) }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function mb(kb: number): string {
  return (kb / 1_024).toFixed(0)
}

function since(began: number): string {
  return ((performance.now() - began) / 1_000).toFixed(1)
}
