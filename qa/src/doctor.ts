import { DOCTOR_PATH, doctorPath, type Finding } from '@ostler/contract/doctor.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { ApiClient } from './api-client.ts'
import type { CommandConsole } from './commands.ts'

const MARKS = { ok: 'ok', failed: 'FAILED', unknown: '–' } as const

/**
 * `qa doctor [-f name=DESKTOP]`: a line for each hop from a client to a display, and what to do where one failed.
 * @throws Fault `client.unhealthy` when something failed.
 */
export async function examine(
  desktop: string | undefined,
  api: ApiClient,
  out: CommandConsole,
): Promise<void> {
  const found = await findings(desktop, api)
  if (out.options.format === 'json') out.show(JSON.stringify(found, null, 2))
  else
    for (const { hop, state, said, advice } of found) {
      out.show(`${MARKS[state].padEnd(8)}${hop.padEnd(10)}${printable(said)}`)
      if (advice !== null) out.show(`${''.padEnd(18)}${printable(advice)}`)
    }
  const failed = found.filter(({ state }) => state === 'failed').length
  if (failed > 0) throw new Fault('client.unhealthy', { failed, count: found.length })
}

/** An api that is not reached is the first hop that failed; one without a database can say nothing of a desktop. */
async function findings(desktop: string | undefined, api: ApiClient): Promise<readonly Finding[]> {
  try {
    return (await api.get(desktop === undefined ? DOCTOR_PATH : doctorPath(desktop))) as Finding[]
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'client.unreachable')
      return [
        { hop: 'api', state: 'failed', said: error.message, advice: 'See whether ostler-api runs there.' },
      ]
    if (desktop === undefined || error.code !== 'server.internal') throw error
    return await findings(undefined, api)
  }
}

/** What an agent or a user has said does not speak to the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}
