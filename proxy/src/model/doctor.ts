import type { Finding, Hop } from '@ostler/contract/doctor.ts'
import { type AgentVerdict, VERDICT_WORDS } from './agent-verdict.ts'
import { HOST_SILENT_SECONDS, type HostState } from './host.ts'
import type { VmState } from './vm-machine.ts'

/** What came of asking the database. */
export interface DatabaseFacts {
  readonly ms: number
  readonly isReplica: boolean
  readonly connections: number
  readonly most: number
}

/** A node as the database has it. */
export interface NodeFacts {
  readonly name: string
  readonly state: HostState
  readonly silentSeconds: number
  readonly blocked: boolean
  readonly maintenance: string | null
  /** Megabytes. */
  readonly memory: number
  readonly promised: number
  readonly door: { readonly address: string; readonly port: number } | null
}

/** What came of asking a door. */
export type DoorFacts =
  | { readonly ok: true; readonly ms: number; readonly status: number; readonly certificateEnds: Date | null }
  | { readonly ok: false; readonly reason: string }

/** A desktop as the database has it. */
export interface DesktopFacts {
  readonly name: string
  readonly state: VmState
  readonly host: string | null
  readonly memory: number
  readonly blocked: readonly string[]
  readonly fault: { readonly text: string; readonly cure: string | null } | null
  readonly image: {
    readonly tag: string
    readonly next: string | null
    readonly blocked: boolean
    /** How its file stands on nodes; null: it needs no copy. */
    readonly standing: string | null
  }
  readonly agent: { readonly verdict: AgentVerdict; readonly said: string | null } | null
  /** Who sits there; null: nobody. */
  readonly seat: string | null
  /** Its display was shown in this boot. */
  readonly wasShown: boolean
}

const DAY_MS = 86_400_000
const SOON_DAYS = 14
/** Slower than this, and users wait for the database at every step. */
const SLOW_MS = 250

const ok = (hop: Hop, said: string): Finding => ({ hop, state: 'ok', said, advice: null })
const unknown = (hop: Hop, said: string): Finding => ({ hop, state: 'unknown', said, advice: null })
const failed = (hop: Hop, said: string, advice: string): Finding => ({ hop, state: 'failed', said, advice })

export function judgeDatabase({ ms, isReplica, connections, most }: DatabaseFacts): Finding {
  const said = `answers in ${Math.ceil(ms)} ms, ${connections} of ${most} connections`
  if (isReplica)
    return failed(
      'database',
      'it is a copy that only reads',
      'Let database.host name the server that writes, or promote this one.',
    )
  if (connections >= most * 0.95)
    return failed(
      'database',
      said,
      'Raise max_connections of PostgreSQL, or find who else holds connections to it.',
    )
  if (ms > SLOW_MS)
    return failed('database', said, 'See what the disk and the processors of the database are busy with.')
  return ok('database', said)
}

/** @param error with which it was asked in vain. */
export function judgeNoDatabase(error: unknown): Finding {
  return failed(
    'database',
    `it does not answer: ${error instanceof Error ? error.message : String(error)}`,
    'See whether PostgreSQL runs (its log is in path.database, or at database.host) and whether its disk is full.',
  )
}

/** @param now for the end of its certificate. */
export function judgeDoor(node: NodeFacts, door: DoorFacts | undefined, now: Date): Finding {
  const at = node.door === null ? '' : ` at ${node.door.address}:${node.door.port}`
  if (door === undefined)
    return node.state === 'running'
      ? failed(
          'door',
          `the door of ${node.name} has never been open`,
          `See whether ostler-l7r runs on ${node.name}: systemctl status ostler-l7r.`,
        )
      : unknown('door', `${node.name} is ${node.state}`)
  if (!door.ok)
    return failed(
      'door',
      `the door of ${node.name}${at}: ${door.reason}`,
      `See whether ostler-l7r runs on ${node.name}, and whether a firewall is between (l7r.address, l7r.port).`,
    )
  const days =
    door.certificateEnds === null
      ? undefined
      : Math.floor((door.certificateEnds.getTime() - now.getTime()) / DAY_MS)
  const words = `the door of ${node.name}${at} answers in ${Math.ceil(door.ms)} ms`
  if (door.status !== 200 && judgeNode(node).state === 'failed')
    return unknown('door', `${words}, and takes nobody because of its node`)
  if (door.status !== 200)
    return failed('door', `${words} with ${door.status}`, `See the log of ostler-l7r on ${node.name}.`)
  const renew = 'Give it a new one: qa config ssl key=FILE cert=FILE.'
  if (days !== undefined && days < 0) return failed('door', `${words}, and its certificate has ended`, renew)
  if (days !== undefined && days < SOON_DAYS)
    return { hop: 'door', state: 'ok', said: `${words}; its certificate ends in ${days} days`, advice: renew }
  return ok('door', days === undefined ? words : `${words}, certificate for ${days} days`)
}

export function judgeNode(node: NodeFacts): Finding {
  const { name, state, silentSeconds, blocked, maintenance, memory, promised } = node
  if (state !== 'running')
    return failed('node', `${name} is ${state}`, `Start ostler-hkd on ${name}, and see its log.`)
  if (silentSeconds > HOST_SILENT_SECONDS)
    return failed(
      'node',
      `${name} was last heard of ${Math.round(silentSeconds)} s ago`,
      `See whether ${name} lives and reaches the database; ostler-hkd there says what it waits for.`,
    )
  if (blocked) return failed('node', `${name} is blocked`, `qa host unblock -f name=${name}`)
  if (maintenance !== null)
    return failed('node', `${name} is looked after: ${maintenance}`, `qa host open -f name=${name}`)
  return ok('node', `${name} lives, ${promised} of ${memory} MB promised`)
}

/** @param nodes all that there are, where the desktop has none. */
export function judgeDesktop(desktop: DesktopFacts, nodes: readonly NodeFacts[]): readonly Finding[] {
  const chain = [
    () => nodeOf(desktop, nodes),
    () => imageOf(desktop),
    () => stateOf(desktop),
    () => agentOf(desktop),
    () => displayOf(desktop),
  ]
  const hops = ['node', 'image', 'desktop', 'agent', 'display'] as const
  const found: Finding[] = []
  for (const [index, look] of chain.entries()) {
    const before = found.find(({ state }) => state === 'failed')
    const hop = hops[index] ?? 'display'
    found.push(before === undefined ? look() : unknown(hop, `not looked at, since the ${before.hop} failed`))
  }
  return found
}

function nodeOf({ host, memory }: DesktopFacts, nodes: readonly NodeFacts[]): Finding {
  const its = nodes.find(({ name }) => name === host)
  if (its !== undefined) return judgeNode(its)
  const open = nodes.filter((node) => judgeNode(node).state === 'ok')
  if (open.length === 0)
    return failed('node', 'no node takes desktops now', 'qa doctor says what is wrong with each of them.')
  const roomy = open.filter((node) => node.memory - node.promised >= memory)
  if (roomy.length === 0)
    return failed(
      'node',
      `no node has ${memory} MB free`,
      'Stop desktops that nobody uses, give the flavour less memory, or add a node.',
    )
  return ok('node', `it is on none; ${roomy.length} could take it`)
}

function imageOf({ image: { tag, next, blocked, standing } }: DesktopFacts): Finding {
  if (next === null)
    return failed('image', `no image has its tag ${tag}`, `qa di tag di_id=NUMBER tag=${tag}`)
  if (blocked) return failed('image', `${next} is blocked`, `qa di unblock -f name=${next}`)
  if (standing !== null && standing.includes('broken'))
    return failed('image', `${next}: ${standing}`, 'Correct its file in the staging folder, or add it anew.')
  return ok('image', `${tag} stands for ${next}${standing === null ? '' : ` (${standing})`}`)
}

function stateOf({ name, state, blocked, fault }: DesktopFacts): Finding {
  const [first] = blocked
  if (first !== undefined)
    return failed('desktop', `${name}: ${first} is blocked`, 'Unblock it: qa vm|user|tenant|host unblock.')
  if (state === 'running') return ok('desktop', `${name} runs`)
  if (fault !== null)
    return failed(
      'desktop',
      `${name} is ${state}: ${fault.text}`,
      fault.cure ?? `qa vm explain -f name=${name}`,
    )
  if (state === 'failed' || state === 'lost')
    return failed('desktop', `${name} is ${state}`, `qa vm explain -f name=${name}`)
  return unknown('desktop', `${name} is ${state}`)
}

function agentOf({ name, state, agent }: DesktopFacts): Finding {
  if (state !== 'running') return unknown('agent', 'the desktop does not run')
  if (agent === null) return unknown('agent', 'nothing was heard of it in this boot yet')
  const said = agent.said === null ? '' : `: ${agent.said}`
  if (agent.verdict === 'answers') return ok('agent', `it answers${said}`)
  return failed(
    'agent',
    `it ${VERDICT_WORDS[agent.verdict]}${said}`,
    `See its console: qa vm console -f name=${name}; or start it anew: qa vm stop -f name=${name}.`,
  )
}

function displayOf({ state, agent, seat, wasShown }: DesktopFacts): Finding {
  if (state !== 'running' || agent?.verdict !== 'answers')
    return unknown('display', 'the agent does not answer')
  if (seat !== null) return ok('display', `${seat} sits there`)
  return wasShown
    ? ok('display', 'it was shown in this boot, and nobody sits there now')
    : unknown('display', 'nobody has opened it in this boot: ostler doctor --start does')
}
