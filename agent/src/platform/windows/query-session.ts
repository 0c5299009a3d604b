import { RunError } from '@ostler/kit/run.ts'
import type { WindowsTools } from './tools.ts'

/** A session in which somebody is signed in. */
export interface SignedIn {
  readonly id: number
  readonly user: string
  /** Somebody sees it, through RDP or at the console; else it waits to be joined again. */
  readonly connected: boolean
}

/** Names no session of a user: services run in it, and it is never anybody's. */
const SERVICES = 0

/**
 * Who is signed in, by `query session` (qwinsta.exe): it is on every edition that lets users in by RDP and takes a few
 * milliseconds. CIM knows logons, but not which of them is connected; calling WTSEnumerateSessions from PowerShell would compile
 * C# each time, and is forbidden where only signed scripts may.
 *
 * @throws Error when it cannot be asked, or says what is not understood: never a guess that nobody is signed in.
 */
export async function querySessions(tools: WindowsTools, timeoutMs: number): Promise<readonly SignedIn[]> {
  const printed: Buffer[] = []
  const read = (): readonly SignedIn[] | undefined => parseSessions(Buffer.concat(printed).toString('utf8'))
  try {
    await tools.run('qwinsta', [], { timeoutMs, onOutput: (chunk) => printed.push(chunk) })
  } catch (error) {
    // Some versions exit with 1 after a full answer.
    const sessions = error instanceof RunError && error.exitCode === 1 ? read() : undefined
    if (sessions === undefined) throw error
    return sessions
  }
  const sessions = read()
  if (sessions === undefined) throw new Error('the list of sessions is not understood')
  return sessions
}

/**
 * Reads what `query session` prints. Heading and states are in the language of the system, so columns are known by their
 * place, and states by what always holds: session 0 is disconnected and says the word for it, and a session that is disconnected
 * has lost its name (`rdp-tcp#3`).
 *
 * @returns `undefined` when session 0 is not in it: then it is something else.
 */
export function parseSessions(text: string): readonly SignedIn[] | undefined {
  const rows = text.split(/\r?\n/).flatMap((line) => parseRow(line) ?? [])
  const services = rows.find(({ id }) => id === SERVICES)
  if (services === undefined) return undefined
  return rows
    .filter(({ id, user }) => id !== SERVICES && user !== '')
    .map(({ id, user, name, state }) => ({ id, user, connected: name !== '' && state !== services.state }))
}

/** `>rdp-tcp#3         ann                       3  Active`: a mark, 17 for the name, 20 for the user, 5 for the number. */
function parseRow(line: string) {
  const match = /^[ >](?<name>.{17}) (?<user>.{20}) {2}(?<id>[ \d]{4}\d) {2}(?<state>\S+)/u.exec(line)
  if (match?.groups === undefined) return undefined
  const { name = '', user = '', id = '', state = '' } = match.groups
  return { name: name.trim(), user: user.trim(), id: Number(id), state }
}
