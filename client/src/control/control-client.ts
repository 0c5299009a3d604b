import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { controlFolder } from './control-folder.ts'
import { aboutAnswer, type ControlAsk } from './control-words.ts'

/** An open desktop of this user, on this machine. */
export interface OpenDesktop {
  readonly desktop: string
  /** @throws Fault as the other process says. */
  ask(ask: ControlAsk): Promise<unknown>
}

/** Sharing goes to the desktop and back, which has deadlines of its own. */
const ANSWER_MS = 60_000

/**
 * Finds the open desktop that is meant.
 * @param wanted its name; `undefined`: the only one.
 * @throws Fault `client.noConnection`.
 */
export async function findOpenDesktop(wanted: string | undefined): Promise<OpenDesktop> {
  const folder = controlFolder()
  const sockets = readdirSync(folder).filter((name) => name.endsWith('.sock'))
  const all = (await Promise.all(sockets.map((name) => look(join(folder, name))))).flat()
  const fitting = wanted === undefined ? all : all.filter(({ desktop }) => desktop === wanted)
  const [only, another] = fitting
  if (only !== undefined && another === undefined) return only
  const names = all.map(({ desktop }) => desktop).join(', ')
  throw new Fault('client.noConnection', { reason: all.length === 0 ? 'there is none' : `there is ${names}` })
}

/** The desktop behind a socket, or nothing where nobody listens any more. */
async function look(path: string): Promise<OpenDesktop[]> {
  try {
    const { desktop } = aboutAnswer.parse(await askAt(path, { do: 'about' }))
    return [{ desktop, ask: (ask) => askAt(path, ask) }]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(path, { force: true })
    return []
  }
}

async function askAt(path: string, ask: ControlAsk): Promise<unknown> {
  const socket = connect(path)
  try {
    return await withDeadline('the answer', ANSWER_MS, async (signal) => {
      await once(socket, 'connect', { signal })
      socket.write(`${JSON.stringify(ask)}\n`)
      const answer: unknown = JSON.parse(await text(socket))
      const fault = faultFromBody(answer)
      if (fault !== undefined) throw fault
      return answer
    })
  } finally {
    socket.destroy()
  }
}
