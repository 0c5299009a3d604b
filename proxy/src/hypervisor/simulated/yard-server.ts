import { Fault } from '@ostler/contract/fault.ts'
import { serveLines } from '@ostler/kit/line-server.ts'
import type { DesktopSpec, Sighting } from '../hypervisor.ts'
import { type Yard, YARD_VERBS } from './yard.ts'

/** One line from a driver: a verb, or new rules. */
export type YardCall =
  | { readonly n: number; readonly verb: 'prepare' | 'boot'; readonly spec: DesktopSpec }
  | {
      readonly n: number
      readonly verb: 'powerOff' | 'kill' | 'release' | 'reset' | 'written'
      readonly id: number
    }
  | { readonly n: number; readonly verb: 'rules'; readonly rules: unknown }

/** One line to a driver: a machine that was seen, the end of those that were there at the beginning, or an answer. */
export type YardWord =
  | { readonly id: number; readonly sighting: Sighting }
  | { readonly all: true }
  | { readonly n: number; readonly fault?: unknown; readonly answer?: readonly string[] }

/**
 * Lets drivers work a yard through a unix socket that only our own user may open. A driver that goes takes nothing with it.
 * @throws Error of the system.
 */
export async function serveYard(yard: Yard, path: string): Promise<AsyncDisposable> {
  return await serveLines(path, 0o700, (driver) => {
    const say = (word: YardWord): void => driver.say(word)
    const stop = yard.onChange((id, sighting) => say({ id, sighting }))
    for (const [id, sighting] of yard.sightings()) say({ id, sighting })
    say({ all: true })
    return {
      left: stop,
      heard: (line) => {
        const call = parseCall(line)
        if (call === undefined) return driver.hangUp()
        perform(yard, call).then(
          (answer) => say({ n: call.n, answer }),
          (error: unknown) => say({ n: call.n, fault: faultOf(error) }),
        )
      },
    }
  })
}

function faultOf(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('container.failed', { desktop: 0, reason: String(error) })
}

/** Drivers are our own: what is no call of theirs comes from a program that has no business here. */
function parseCall(line: string): YardCall | undefined {
  try {
    const call = JSON.parse(line) as YardCall
    return call.verb === 'rules' || call.verb === 'written' || YARD_VERBS.includes(call.verb)
      ? call
      : undefined
  } catch {
    return undefined
  }
}

async function perform(yard: Yard, call: YardCall): Promise<readonly string[]> {
  if (call.verb === 'written') return yard.written(call.id)
  if (call.verb === 'rules') yard.setRules(call.rules)
  else if ('spec' in call) await yard[call.verb](call.spec)
  else await yard[call.verb](call.id)
  return []
}
