import { MAX_PARAMETERS, sessionParameters as schema } from '@ostler/contract/agent-api.ts'
import type { KeyValue } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import type { SessionGrant } from '../model/policy.ts'

/** Ours to say: nobody else's word about it counts. */
const OURS = /^qvd\.ostler\./
/** Properties that are for the door, such as the key of a second factor: no desktop gets them. */
const THE_DOORS = /^(l7r|auth|internal)\./

/** Everything that is said about a session, in the order in which later ones win. */
export interface SessionWords {
  /** What the client asks for. */
  readonly client: ReadonlyMap<string, string>
  /** Properties of flavour, image, user and desktop, in that order. */
  readonly properties: readonly KeyValue[]
  /** What plugins said when she signed in. */
  readonly plugins: Readonly<Record<string, string>>
  readonly isApplication: boolean
  /** What policy allows. */
  readonly grant: SessionGrant
  /** What the door itself adds, such as the key of the slave channel. */
  readonly door: Readonly<Record<string, string>>
}

/**
 * The parameters of a session (compatibility page 1.4, steps 10 and 16). Last come those which none of the others can
 * change: what kind of desktop it is, what policy allows, and the door's own.
 *
 * @throws Fault `session.parameter` for what no agent takes, `session.tooManyParameters`.
 */
export function sessionParameters(words: SessionWords): Record<string, string> {
  const { client, properties, plugins, isApplication, grant, door } = words
  const said = [
    ...client,
    ...properties.filter(({ key }) => !THE_DOORS.test(key)).map(({ key, value }) => [key, value] as const),
    ...Object.entries(plugins),
  ].filter(([name]) => !OURS.test(name))
  const flag = (value: boolean): string => (value ? '1' : '0')
  const all = {
    ...Object.fromEntries(said),
    ...(isApplication ? { 'qvd.vm.is_application': '1' } : {}),
    [POLICY_PARAMETERS.clipboard]: grant.clipboard,
    [POLICY_PARAMETERS.folders]: grant.folders.access,
    [POLICY_PARAMETERS.roots]: grant.folders.roots.join(','),
    [POLICY_PARAMETERS.ports]: flag(grant.ports),
    [POLICY_PARAMETERS.printing]: flag(grant.printing),
    [POLICY_PARAMETERS.audio]: flag(grant.audio),
    [POLICY_PARAMETERS.usb]: flag(grant.usb),
    ...door,
  }
  requireUsable(all)
  return all
}

/** The agent checks the same; here it is said which one it is, and nobody's session is disturbed for it. */
function requireUsable(all: Readonly<Record<string, string>>): void {
  const count = Object.keys(all).length
  if (count > MAX_PARAMETERS) throw new Fault('session.tooManyParameters', { count, limit: MAX_PARAMETERS })
  const { error } = schema.safeParse(all)
  const issue = error?.issues[0]
  if (issue === undefined) return
  const parameter = String(issue.path[0] ?? '').slice(0, 200)
  throw new Fault('session.parameter', { parameter, problem: problemOf(issue) })
}

/** A name is refused inside of another issue. */
function problemOf(issue: { message: string; issues?: readonly { message: string }[] }): string {
  return issue.issues?.[0]?.message ?? issue.message
}
