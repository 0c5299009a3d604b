import * as z from 'zod/mini'
import { Fault, type FaultCode } from './fault.ts'
import { type Role, SESSION_DISPLAYS } from './identity.ts'
import { SESSION_STATES } from './session.ts'

/** One thing that an agent can be asked for. */
interface Procedure {
  readonly summary: string
  readonly since: string
  readonly input: z.ZodMiniType
  readonly output: z.ZodMiniType
  /** Who may call it; the role stands in the caller's certificate. */
  readonly callers: readonly Role[]
  /** Milliseconds the caller waits for the answer. */
  readonly deadlineMs: number
  readonly faults: readonly FaultCode[]
}

// The small face of zod: an agent carries this file, and the large one costs it two megabytes.
const nothing = z.strictObject({})
const sessionState = z.enum(SESSION_STATES)
const text = (longest: number) => z.string().check(z.maxLength(longest))
const upTo = (largest: number) => z.int().check(z.minimum(0), z.maximum(largest))
const few = <T extends z.ZodMiniType>(item: T) => z.array(item).check(z.maxLength(20))

/** So many parameters a session may have. */
export const MAX_PARAMETERS = 300

/**
 * What a session is started with: QVD's flat parameters (compatibility page 4.2), merged by the caller: `qvd.client.*` and
 * `custom.*` of the client, properties of the desktop, `qvd.vm.user.*`. Order is kept: hooks get them as argument pairs.
 * What they mean is checked by the agent; here only that they can be carried anywhere.
 */
export const sessionParameters = z
  .record(
    z.string().check(z.regex(/^[\w.:-]{1,128}$/, 'is no usable parameter name')),
    z
      .string()
      .check(
        z.maxLength(4096, 'is longer than 4096 characters'),
        z.regex(/^[^\u0000-\u001f\u007f]*$/u, 'has control characters'),
      ),
  )
  .check(
    z.refine(
      (pairs) => Object.keys(pairs).length <= MAX_PARAMETERS,
      `more than ${MAX_PARAMETERS} parameters`,
    ),
  )

/** A point in time as QVD writes it, or ISO 8601. */
const timestamp = z
  .string()
  .check(z.regex(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?$/, 'is no time'))

/** What became of one hook: shown in the session's timeline. */
export const hookResult = z.strictObject({
  /** The configuration key, such as `vma.on_action.connect`. */
  hook: text(100),
  /** What the hook was called with last: `connect`, `connected`, `add_user`. */
  for: text(40),
  /** 0 when it succeeded; `null` when it was not run to its end. */
  exit: z.nullable(z.int()),
  ms: upTo(Number.MAX_SAFE_INTEGER),
  /** Its last line, or why it was not run. */
  text: text(500),
})

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
      'Brings the X session into a state in which the wanted display can be opened: hooks, home, account, nxagent. ' +
      'Answers when the display accepts a connection, or after 20 s with `ready` false: the same call again goes on ' +
      'waiting, and never starts anything twice. A client that is still connected is suspended first. ' +
      'Unlike QVD, which answers "starting" at once.',
    since: '0.1',
    input: z.strictObject({
      display: z.enum(SESSION_DISPLAYS),
      parameters: sessionParameters,
      /** The number of the caller's claim on the desktop: a call with an older one than was seen is refused. */
      seat: z.optional(upTo(2 ** 31 - 1)),
    }),
    output: z.strictObject({
      ready: z.boolean(),
      state: sessionState,
      /** Milliseconds from the call until the account was ready and until the display was. */
      userReadyMs: upTo(3_600_000),
      displayReadyMs: upTo(3_600_000),
      warnings: few(text(500)),
      hooks: few(hookResult),
    }),
    callers: ['l7r'],
    deadlineMs: 30_000,
    faults: [
      'desktop.moved',
      'display.missing',
      'session.busy',
      'session.failed',
      'session.user',
      'session.parameter',
      'hook.failed',
      'hook.timeout',
      'hook.refused',
    ],
  },
  x_suspend: {
    summary: 'Takes the display from a connected client; answers when the session is suspended.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ state: sessionState }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 90_000,
    faults: ['session.busy', 'session.failed', 'hook.failed', 'hook.timeout', 'hook.refused'],
  },
  x_stop: {
    summary: 'Ends the X session; answers when it has stopped.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ state: sessionState }),
    callers: ['hkd', 'l7r'],
    deadlineMs: 110_000,
    faults: ['session.busy', 'session.failed', 'hook.failed', 'hook.timeout', 'hook.refused'],
  },
  poweroff: {
    summary:
      'Answers, then runs the poweroff hook, ends the X session and halts the guest. A hook that fails prevents the halt.',
    since: '0.1',
    input: nothing,
    output: nothing,
    callers: ['hkd'],
    deadlineMs: 4_000,
    faults: [],
  },
  expire: {
    summary: 'Runs the expire hook with the times at which the desktop softly and finally expires.',
    since: '0.1',
    input: z.strictObject({ soft: z.optional(timestamp), hard: z.optional(timestamp) }),
    output: nothing,
    callers: ['hkd'],
    deadlineMs: 70_000,
    faults: ['hook.failed', 'hook.timeout', 'hook.refused'],
  },
  renew_key: {
    summary: 'Makes a new key for the agent, to be signed, and gives its public half.',
    since: '0.1',
    input: nothing,
    output: z.strictObject({ publicKey: text(1024) }),
    callers: ['hkd'],
    deadlineMs: 4_000,
    faults: [],
  },
  renew_certificate: {
    summary: 'Brings the certificate for the key of `renew_key`: used for every connection from now on.',
    since: '0.1',
    input: z.strictObject({ certificate: text(8192), authority: text(8192) }),
    output: nothing,
    callers: ['hkd'],
    deadlineMs: 4_000,
    faults: ['request.invalid'],
  },
} as const satisfies Record<string, Procedure>

/**
 * `watch` is the one procedure whose answer has no end: lines of JSON, one at once, one with every change of
 * state, and one every 5 s so that silence means death.
 */
export const watchApi = {
  path: '/vma/watch',
  callers: ['hkd', 'l7r'] as readonly Role[],
  event: z.strictObject({
    state: sessionState,
    /** Counts the sessions of this boot, from 1; 0 before the first. */
    session: upTo(Number.MAX_SAFE_INTEGER),
    /** A hook that has ended since the last event. */
    hook: z.optional(hookResult),
  }),
  heartbeatMs: 5_000,
} as const

/** Procedures that take over their connection: `GET` with `Upgrade`, answered with 101, or with a fault. */
export const upgradeApi = {
  /** Raw RFB of the running session, after the user agreed (`vma.x11vnc.confirm.*`). QVD's name and token. */
  vnc_connect: { path: '/vma/vnc_connect', protocol: 'VNC', callers: ['l7r'] as readonly Role[] },
  /** The bytes of a display's socket, for doors that cannot open it: those of virtual machines. */
  display_nx: { path: '/vma/display/nx', protocol: 'ostler-display', callers: ['l7r'] as readonly Role[] },
  display_rfb: { path: '/vma/display/rfb', protocol: 'ostler-display', callers: ['l7r'] as readonly Role[] },
  display_rdp: { path: '/vma/display/rdp', protocol: 'ostler-display', callers: ['l7r'] as readonly Role[] },
  /** Folders of the user's own machine. An agent that does not offer it answers `request.notFound`. */
  folders: { path: '/vma/folders', protocol: 'ostler-folders', callers: ['l7r'] as readonly Role[] },
  /** A USB device of the user's own machine. An agent that does not offer it answers `request.notFound`. */
  usb: { path: '/vma/usb', protocol: 'ostler-usb', callers: ['l7r'] as readonly Role[] },
} as const

/** The two steps of an enrolment, spoken over TLS with the boot ticket's secret as pre-shared key. */
export const enrolApi = {
  keyPath: '/enrol/key',
  /** The agent's public key, SPKI in DER, base64. */
  key: z.strictObject({ publicKey: text(1024) }),
  certificatePath: '/enrol/certificate',
  certificate: z.strictObject({ certificate: text(8192), authority: text(8192) }),
} as const

export type AgentApi = typeof agentApi
export type ProcedureName = keyof AgentApi
export type Input<P extends ProcedureName> = z.output<AgentApi[P]['input']>
export type Output<P extends ProcedureName> = z.output<AgentApi[P]['output']>
export type HookResult = z.output<typeof hookResult>
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
    // No signal of `AbortSignal.timeout`: it would keep all that hangs on it until the time is over.
    const abort = new AbortController()
    const giveUp = (): void => abort.abort(signal?.reason)
    const timer = setTimeout(giveUp, agentApi[name].deadlineMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    if (signal?.aborted === true) giveUp()
    const answer = await carry(name, input, abort.signal).finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    })
    const output = agentApi[name].output.safeParse(answer)
    if (!output.success)
      throw new Fault('agent.answer', { procedure: name, problem: z.prettifyError(output.error) })
    return output.data
  }
  return Object.fromEntries(
    Object.keys(agentApi).map((name) => [name, call(name as ProcedureName)]),
  ) as unknown as AgentClient
}
