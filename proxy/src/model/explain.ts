import { type AgentVerdict, VERDICT_WORDS } from './agent-verdict.ts'
import { AT_REST, type StartPlace } from './start-queue.ts'
import type { VmState } from './vm-machine.ts'
import { isPersistent, mergeWishes, type Wish } from './wish.ts'

/** Whose a desktop of a pool is. Times are ISO 8601. */
export interface PoolFacts {
  readonly name: string
  /** Who has it. */
  readonly user: string | null
  /** Users who wait for a desktop of the pool. */
  readonly waiting: number
  /** Whose data it holds who has it no more. */
  readonly reset: {
    readonly of: string
    readonly since: string
    /** Those that have not removed what they have of it. */
    readonly nodes: readonly string[]
    /** Why the last try has come to nothing. */
    readonly trouble: string | null
  } | null
}

/** Everything that is known about why a desktop is as it is. Times are ISO 8601. */
export interface ExplainFacts {
  readonly name: string
  readonly state: VmState
  readonly since: string
  /** The node that has it. */
  readonly host: string | null
  /** Open wishes. */
  readonly wishes: readonly Wish[]
  /** Where it stands among those that wait to start. */
  readonly place: StartPlace
  /** What its tag stands for, and whether that is blocked. */
  readonly image: { readonly tag: string; readonly next: string | null; readonly blocked: boolean }
  /** What is blocked: the desktop, its user, her tenant, its node. */
  readonly blocked: readonly string[]
  /** What is looked after of the same, with the sentence that users read. */
  readonly maintenance: readonly { readonly what: string; readonly said: string }[]
  /** The pool that it is in. */
  readonly pool: PoolFacts | null
  /** Another desktop that has the same home and is not at rest. */
  readonly homeTakenBy: string | null
  /** Nodes that take desktops now. */
  readonly nodes: number
  /** Starts in a row that failed, and when one is tried again by itself. */
  readonly failures: number
  readonly nextTryAt: string | null
  readonly fault: { readonly text: string; readonly code: string | null; readonly cure: string | null } | null
  readonly agent: {
    readonly verdict: AgentVerdict
    readonly said: string | null
    readonly since: string
  } | null
  /** Who sits at it. */
  readonly seat: { readonly label: string; readonly since: string } | null
  /** The newest step of its last start. */
  readonly step: { readonly step: string; readonly at: string } | null
}

/** Each state, in words. */
const STATE_WORDS: Readonly<Record<VmState, string>> = {
  stopped: 'is stopped',
  preparing: 'is being prepared: image, overlay and home',
  booting: 'boots: its processes run, and its agent has not answered yet',
  running: 'runs',
  stopping: 'stops: its system was asked to halt',
  killing: 'is being ended by force',
  lost: 'is lost: its processes may still run, and nobody can tell; nothing starts it elsewhere',
  failed: 'has failed',
}

const KIND_WORDS: Readonly<Record<Wish['kind'], string>> = {
  fence: 'fences it off',
  block: 'blocks it',
  maintenance: 'wants it to stop, since it is looked after',
  stop: 'wants it to stop',
  expire: 'wants it to stop, since it expires',
  run: 'wants it to run',
  spare: 'wants it to be kept ready',
}

/**
 * Says why a desktop is as it is: a chain of sentences, from what is so to what it rests on. Pure. It is never empty, and it
 * names the wish that decides, whatever else there is.
 */
export function explain(facts: ExplainFacts): string[] {
  const merged = mergeWishes(facts.wishes)
  return [
    stateOf(facts),
    ...poolOf(facts),
    ...wishesOf(facts.wishes, merged?.wish),
    ...(merged?.goal === 'up' && facts.state !== 'running' ? holdsOf(facts) : []),
    ...(merged?.goal === 'down' ? [downOf(facts.state)] : []),
    ...blocksOf(facts.blocked),
    ...maintenanceOf(facts.maintenance),
    ...failureOf(facts),
    ...agentOf(facts),
    ...seatOf(facts),
    ...stepOf(facts),
  ]
}

function stateOf({ name, state, since, host }: ExplainFacts): string {
  return `${name} ${STATE_WORDS[state]}. So it is since ${since}${host === null ? '' : `, on the node ${host}`}.`
}

/** Whose a desktop of a pool is. */
function poolOf({ pool }: ExplainFacts): string[] {
  if (pool === null) return []
  const { name, user, waiting, reset } = pool
  const who =
    user !== null ? `${user} has it` : reset === null ? 'nobody has it, and it is free' : 'nobody has it'
  const said = [`It is a desktop of the pool ${name}: ${who}.`]
  if (reset !== null) {
    const where = reset.nodes.length === 0 ? '' : `, by ${reset.nodes.join(', ')}`
    said.push(
      `It holds data of ${reset.of}, who has it no more, since ${reset.since}: it must be reset${where}, and nobody gets it before.`,
    )
  }
  if (reset !== null && reset.trouble !== null) said.push(`So far ${reset.trouble}.`)
  if (waiting > 0)
    said.push(
      waiting === 1 ? `One waits for a desktop of ${name}.` : `${waiting} wait for a desktop of ${name}.`,
    )
  return said
}

function wishesOf(wishes: readonly Wish[], decides: Wish | undefined): string[] {
  if (decides === undefined) return ['Nobody wishes anything of it: it stays as it is.']
  const others = wishes.filter((wish) => wish !== decides)
  return [
    `What decides: ${wishText(decides)}.`,
    ...others.map((wish) => `That outweighs, or is newer than: ${wishText(wish)}.`),
  ]
}

function wishText(wish: Wish): string {
  const { kind, by, reason, at, connection, interactive } = wish
  const through = connection == null ? '' : `, by the connection ${connection}`
  const waits = interactive === true ? ', and waits for it' : ''
  const lasts = isPersistent(wish) ? ', and it is tried again by itself' : ''
  return `${by} ${KIND_WORDS[kind]} (${reason}) since ${at}${through}${waits}${lasts}`
}

/** What keeps a desktop that is wished up. The first sentence is what is nearest. */
function holdsOf(facts: ExplainFacts): string[] {
  const { state, image, homeTakenBy, nodes, place, failures, nextTryAt, pool } = facts
  if (!AT_REST.includes(state))
    return state === 'lost'
      ? ['It cannot start before its last run is known to have ended.']
      : state === 'stopping' || state === 'killing'
        ? ['It starts anew once its last run has ended.']
        : []
  const holds: string[] = []
  if (pool !== null && pool.reset !== null)
    holds.push('It waits for its reset: it starts for nobody before that.')
  if (state === 'failed' && nextTryAt !== null && failures > 0)
    holds.push(`${times(failures)}; by itself it is not tried again before ${nextTryAt}.`)
  if (place.kind === 'held') holds.push(`It waits: ${place.reason}.`)
  if (image.next === null) holds.push(`Its flavour has no image with the tag ${image.tag}: add or tag one.`)
  else if (image.blocked)
    holds.push(`The image ${image.next}, for which its tag ${image.tag} stands, is blocked.`)
  if (homeTakenBy !== null)
    holds.push(`The desktop ${homeTakenBy} has the same home, and a home has one writer at a time.`)
  if (nodes === 0) holds.push('No node takes desktops now: each is stopped, blocked, looked after or silent.')
  if (place.kind === 'queued')
    holds.push(`It waits for a free place to start, as number ${place.position} in the queue.`)
  return holds.length === 0 ? ['Nothing holds it: it starts any moment.'] : holds
}

function downOf(state: VmState): string {
  if (AT_REST.includes(state)) return 'That is so already: nothing of it runs.'
  return state === 'stopping' || state === 'killing' || state === 'lost'
    ? 'It ends as soon as its processes have ended.'
    : 'It is about to be stopped.'
}

function blocksOf(blocked: readonly string[]): string[] {
  return blocked.length === 0
    ? []
    : [`Blocked: ${blocked.join(', ')}. Nobody comes in until an administrator says otherwise.`]
}

function maintenanceOf(maintenance: ExplainFacts['maintenance']): string[] {
  return maintenance.map(
    ({ what, said }) =>
      `Looked after: ${what}. Nobody new comes in until an administrator opens it; users read: ${said}.`,
  )
}

function failureOf({ state, fault, failures }: ExplainFacts): string[] {
  if (fault === null) return []
  const code = fault.code === null ? '' : ` [${fault.code}]`
  const cure = fault.cure === null ? [] : [`What to try: ${fault.cure}`]
  const often = failures > 1 && state !== 'failed' ? [`${times(failures)}.`] : []
  return [`What went wrong last: ${fault.text}${code}.`, ...often, ...cure]
}

function times(failures: number): string {
  return failures === 1 ? 'Its last start failed' : `Its last ${failures} starts failed`
}

function agentOf({ agent, state, seat }: ExplainFacts): string[] {
  if (agent === null || (agent.verdict === 'answers' && state === 'running')) return []
  const said = agent.said === null ? '' : `: ${agent.said}`
  const kept =
    state === 'running' && agent.verdict !== 'answers'
      ? seat === null
        ? ['It is stopped for that when it lasts.']
        : ['It is not stopped for that as long as somebody sits there.']
      : []
  return [`Its agent ${VERDICT_WORDS[agent.verdict]}, since ${agent.since}${said}.`, ...kept]
}

function seatOf({ seat }: ExplainFacts): string[] {
  return seat === null ? [] : [`Somebody sits at it: ${seat.label}, since ${seat.since}.`]
}

function stepOf({ step }: ExplainFacts): string[] {
  return step === null ? [] : [`Its last start came as far as "${step.step}", at ${step.at}.`]
}
