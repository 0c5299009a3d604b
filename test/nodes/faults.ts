import type { CutFrom } from './cables.ts'
import type { Member } from './member.ts'
import type { FaultName } from './plan.ts'
import type { SeveralNodes } from './several-nodes.ts'

/** Breaks something of a node now. @returns what mends it, as far as that is not the nodes' own business. */
export type Fault = (nodes: SeveralNodes, member: Member) => Promise<Mend>
export type Mend = () => Promise<void>

const nothing: Mend = () => Promise.resolve()

/** How everything breaks. */
export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  nothing: () => Promise.resolve(nothing),
  'power cut': powerCut,
  'power cut, back at once': powerCut,
  'hkd killed': hkdKilled,
  'hkd killed for long': hkdKilled,
  'hkd frozen': hkdFrozen,
  'hkd frozen for long': hkdFrozen,
  'fence killed': (_, member) => {
    member.signalFence('SIGKILL')
    return Promise.resolve(nothing)
  },
  'fence frozen': (_, member) => {
    // What wakes up must be what was stopped: there may be another fence by then.
    const { fence } = member
    member.signalFence('SIGSTOP')
    return Promise.resolve(() => {
      if (fence !== undefined) resume(fence.pid)
      return Promise.resolve()
    })
  },
  'hkd frozen for long, fence killed': async (nodes, member) => {
    const mend = await hkdFrozen(nodes, member)
    member.signalFence('SIGKILL')
    return mend
  },
  'node frozen': (_, member) => {
    member.signalAll('SIGSTOP')
    return Promise.resolve(() => {
      member.signalAll('SIGCONT')
      return Promise.resolve()
    })
  },
  'cut from database': (nodes, member) => cut(nodes, member, 'database'),
  'cut from peers': (nodes, member) => cut(nodes, member, 'peers'),
  'cut from both': (nodes, member) => cut(nodes, member, 'both'),
  'database away': (nodes) => databaseAway(nodes),
  'database away, peers cut': async (nodes, member) => {
    const back = await databaseAway(nodes)
    const mend = await cut(nodes, member, 'peers')
    return async () => {
      await back()
      await mend()
    }
  },
}

/** Faults after which a desktop may be at rest that was not told so: whatever ends by itself is not started again. */
export const MAY_END: readonly FaultName[] = ['power cut, back at once']

function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch {
    // it has ended
  }
}

async function powerCut(_: SeveralNodes, member: Member): Promise<Mend> {
  await member.powerOff()
  return () => {
    member.want()
    return Promise.resolve()
  }
}

async function hkdKilled(_: SeveralNodes, member: Member): Promise<Mend> {
  await member.killHkd()
  return () => {
    member.want()
    return Promise.resolve()
  }
}

function hkdFrozen(_: SeveralNodes, member: Member): Promise<Mend> {
  member.signalHkd('SIGSTOP')
  return Promise.resolve(() => {
    member.signalHkd('SIGCONT')
    return Promise.resolve()
  })
}

async function cut(nodes: SeveralNodes, member: Member, from: CutFrom): Promise<Mend> {
  await nodes.cables.cut(member.index, from)
  return () => nodes.cables.mend(member.index)
}

function databaseAway(nodes: SeveralNodes): Promise<Mend> {
  nodes.freezeDatabase()
  return Promise.resolve(() => {
    nodes.thawDatabase()
    return Promise.resolve()
  })
}
