import { z } from 'zod'
import { Fault, type FaultCode } from './fault.ts'
import type { Role } from './identity.ts'
import { SESSION_STATES } from './session.ts'

/** One thing that an agent can be asked for. */
interface Procedure {
  readonly summary: string
  readonly since: string
  readonly input: z.ZodType
  readonly output: z.ZodType
  /** Who may call it; the role stands in the caller's certificate. */
  readonly callers: readonly Role[]
  /** Milliseconds the caller waits for the answer. */
  readonly deadlineMs: number
  readonly faults: readonly FaultCode[]
}

const nothing = z.strictObject({})
const sessionState = z.enum(SESSION_STATES)

/** A name that can be neither an option, nor a path, nor a format string. */
const userName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'is not a usable account name')
const nxWord = z.string().regex(/^[\w/+-]{1,64}$/, 'has characters that NX options cannot carry')
const pixels = z.int().min(64).max(16_384)

/**
 * The agent's procedures. Names are QVD's (compatibility page 3.2). Both ends derive from this value:
 * `AgentHandlers` for the agent, `agentClient` for its callers.
 */
export const agentApi = {
  ping: {
    summary: 'Says that the agent is alive.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ version: z.string() }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 4_000,
    faults: [],
  },
  x_state: {
    summary: 'Tells the state of the X session.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ state: sessionState }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 4_000,
    faults: [],
  },
  x_start: {
    summary:
      'Brings the X session into a state in which the wanted display can be opened: makes the account, starts ' +
      'or resumes nxagent, and answers when its socket in the display folder accepts a connection. A client ' +
      'that is still connected is suspended first. Unlike QVD, which answers "starting" at once.',
    since: '0.1',
    input: z.strictObject({
      display: z.enum(['nx', 'rfb']),
      user: z.strictObject({ name: userName }),
      client: z.strictObject({
        geometry: z.strictObject({ width: pixels, height: pixels }),
        fullscreen: z.boolean(),
        link: nxWord,
        keyboard: nxWord,
        os: nxWord,
      }),
    }),
    output: z.strictObject({
      state: sessionState,
      /** Milliseconds from the call until the account was ready and until the display was. */
      userReadyMs: z.int().min(0).max(3_600_000),
      displayReadyMs: z.int().min(0).max(3_600_000),
      warnings: z.array(z.string().max(500)).max(20),
    }),
    callers: ['l7r'],
    deadlineMs: 60_000,
    faults: ['session.busy', 'session.failed', 'session.user'],
  },
  x_suspend: {
    summary: 'Takes the display from a connected client; answers when the session is suspended.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ state: sessionState }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 25_000,
    faults: ['session.busy'],
  },
  x_stop: {
    summary: 'Ends the X session; answers when it has stopped.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ state: sessionState }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 30_000,
    faults: [],
  },
  poweroff: {
    summary: 'Answers, ends the X session, then halts the guest.',
    since: '0.1',
    input: nothing,
    output: nothing,
    callers: ['hkd'],
    deadlineMs: 4_000,
    faults: [],
  },
} as const satisfies Record<string, Procedure>

/**
 * `watch` is the one procedure whose answer has no end: lines of JSON, one at once, one with every change of
 * state, and one every 5 s so that silence means death.
 */
export const watchApi = {
  path: '/vma/watch',
  callers: ['hkd', 'l7r'] as readonly Role[],
  event: z.strictObject({ state: sessionState }),
  heartbeatMs: 5_000,
} as const

/** The two steps of an enrolment, spoken over TLS with the boot ticket's secret as pre-shared key. */
export const enrolApi = {
  keyPath: '/enrol/key',
  /** The agent's public key, SPKI in DER, base64. */
  key: z.strictObject({ publicKey: z.string().max(1024) }),
  certificatePath: '/enrol/certificate',
  certificate: z.strictObject({ certificate: z.string().max(8192), authority: z.string().max(8192) }),
} as const

export type AgentApi = typeof agentApi
export type ProcedureName = keyof AgentApi
export type Input<P extends ProcedureName> = z.output<AgentApi[P]['input']>
export type Output<P extends ProcedureName> = z.output<AgentApi[P]['output']>
export type SessionEvent = z.output<typeof watchApi.event>

/** What an agent implements. */
export type AgentHandlers = {
  readonly [P in ProcedureName]: (input: Input<P>) => Promise<Output<P>>
}

/** What a caller of an agent has: each procedure, with a signal that gives up waiting. */
export type AgentClient = {
  readonly [P in ProcedureName]: (input: Input<P>, signal?: AbortSignal) => Promise<Output<P>>
}

/** Carries one call to an agent and brings the answer's body, or throws a `Fault`. */
export type Carrier = (procedure: ProcedureName, body: unknown, signal: AbortSignal) => Promise<unknown>

/** Makes a client out of the contract and a way to carry calls. Answers are checked like any foreign data. */
export function agentClient(carry: Carrier): AgentClient {
  const call = (name: ProcedureName) => async (input: unknown, signal?: AbortSignal) => {
    const deadline = AbortSignal.timeout(agentApi[name].deadlineMs)
    const answer = await carry(
      name,
      input,
      signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    )
    const output = agentApi[name].output.safeParse(answer)
    if (!output.success)
      throw new Fault('agent.answer', { procedure: name, problem: z.prettifyError(output.error) })
    return output.data
  }
  return Object.fromEntries(
    Object.keys(agentApi).map((name) => [name, call(name as ProcedureName)]),
  ) as unknown as AgentClient
}
