import { identify, signalProcess } from '@ostler/kit/process-table.ts'
import { readFileSync, rmSync } from 'node:fs'
import { run } from '@ostler/kit/run.ts'
import { join } from 'node:path'
import type { ServiceName } from '../../scripts/local-node.ts'
import type { BrokenNode } from './broken-node.ts'
import type { FaultName } from './plan.ts'

/** Breaks something now. @returns what mends it, as far as that is not the node's own business. */
export type Fault = (node: BrokenNode, size: number) => Promise<Mend>
export type Mend = () => Promise<void>

/** How everything breaks. `size` is a number of milliseconds that belongs to the round. */
export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  nothing: () => Promise.resolve(nothing),
  'hkd killed': (node) => killed(node, 'hkd'),
  'hkd frozen': (node) => frozen(node, 'hkd'),
  'door killed': (node) => killed(node, 'l7r'),
  'door frozen': (node) => frozen(node, 'l7r'),
  'api killed': (node) => killed(node, 'api'),
  'agents frozen': async (node) => {
    if (node.isSimulated) return await frozen(node, 'simulated-yard')
    const agents = (await agentsOf(node)).map((pid) => identify(pid)).filter((agent) => agent !== undefined)
    for (const agent of agents) signalProcess(agent, 'SIGSTOP')
    return () => {
      for (const agent of agents) signalProcess(agent, 'SIGCONT')
      return Promise.resolve()
    }
  },
  'agents killed': async (node) => {
    for (const pid of await agentsOf(node)) kill(pid, 'SIGKILL')
    return nothing
  },
  'machines die': (node) => killed(node, 'simulated-yard'),
  'postgresql killed': (node) => {
    kill(node.postmaster(), 'SIGKILL')
    return Promise.resolve(nothing)
  },
  'backend killed': (node, size) => {
    const backends = childrenOf(node.postmaster())
    kill(backends[size % Math.max(1, backends.length)], 'SIGKILL')
    return Promise.resolve(nothing)
  },
  'postgresql frozen': (node) => {
    const first = node.postmaster()
    const all = [first, ...childrenOf(first)].flatMap((pid) => identify(pid ?? 0) ?? [])
    for (const each of all) signalProcess(each, 'SIGSTOP')
    return Promise.resolve(() => {
      for (const each of all) signalProcess(each, 'SIGCONT')
      return Promise.resolve()
    })
  },
  'database away': async (node) => {
    await node.setDatabase(false)
    return () => node.setDatabase(true)
  },
  'hints lost': async (node) => {
    const hints = "FROM pg_stat_activity WHERE application_name = 'ostler hints'"
    const rows = await node.sql<{ pid: number }>(`SELECT pid ${hints}`).catch(() => [])
    const deaf = rows.flatMap(({ pid }) => identify(pid) ?? [])
    for (const each of deaf) signalProcess(each, 'SIGSTOP')
    return async () => {
      // They are ended before they can deliver what was held up.
      for (const { pid } of deaf) await node.sql('SELECT pg_terminate_backend($1)', [pid]).catch(() => [])
      for (const each of deaf) signalProcess(each, 'SIGCONT')
    }
  },
  'run folder full': (node) => filled(join(node.folder, 'run/filler')),
  'database disk full': (node) => filled(join(node.folder, 'state/filler')),
  'clocks jump': (node, size) => {
    node.jump(size * 4)
    return Promise.resolve(nothing)
  },
}

/** Faults that take a stream with them by their nature. */
export const CUTS_STREAMS: readonly FaultName[] = ['door killed', 'machines die']

const nothing: Mend = () => Promise.resolve()

async function killed(node: BrokenNode, service: ServiceName): Promise<Mend> {
  await node.kill(service)
  return () => node.revive(service)
}

function frozen(node: BrokenNode, service: ServiceName): Promise<Mend> {
  node.signal(service, 'SIGSTOP')
  return Promise.resolve(() => {
    node.signal(service, 'SIGCONT')
    return Promise.resolve()
  })
}

/** Writes until there is no room any more. */
async function filled(file: string): Promise<Mend> {
  await run('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k'], { timeoutMs: 60_000 }).catch(() => {})
  return () => {
    rmSync(file, { force: true })
    return Promise.resolve()
  }
}

async function agentsOf(node: BrokenNode): Promise<number[]> {
  const rows = await node
    .sql<{ id: number }>("SELECT id FROM ostler.vm WHERE state = 'running'")
    .catch(() => [])
  return rows.flatMap(({ id }) => {
    try {
      return [node.world.processOf(id, 'vma.cjs')]
    } catch {
      return []
    }
  })
}

function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number)
  } catch {
    return []
  }
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}
