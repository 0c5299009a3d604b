import { Fault } from '@ostler/contract/fault.ts'
import { Command } from 'commander'
import { connectDesktop, requireScreen } from '../commands.ts'
import type { ClientSettings } from '../config/load.ts'
import { signIn, type SignInParts } from '../sign-in.ts'
import { connectParts, requestOf, wantedDesktop, withConnection } from './connect.ts'
import { settingsFor, signInParts, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

/** After failures a kiosk waits longer and longer, up to this. */
const LONGEST_PAUSE_MS = 60_000

export function kioskCommand(workplace: Workplace): Command {
  return withConnection(
    withServer(
      new Command('kiosk').description(
        'show the desktop on the full screen, again and again, until it is ended',
      ),
    ),
  ).action(async (host: string | undefined, _: unknown, command: Command) => {
    requireScreen(workplace.environment)
    const settings = settingsFor(workplace, command, host)
    await attend(workplace, settings, signInParts(workplace, command, settings))
  })
}

/** One session after another. A failure is said, and never the end: nobody is there who could start it again. */
async function attend(workplace: Workplace, settings: ClientSettings, parts: SignInParts): Promise<void> {
  const { terminal, signal, clock } = workplace
  const { values } = settings.config
  const pauseMs = 1_000 * values['client.kiosk.pause']
  let failures = 0
  const asked = requestOf(values)
  const request = { ...asked, options: { ...asked.options, fullscreen: true } }
  const isOver = (): boolean => signal.aborted
  while (!isOver()) {
    try {
      const door = await signIn(parts)
      await connectDesktop(door, wantedDesktop(values), request, connectParts(settings, workplace))
      failures = 0
    } catch (error) {
      if (isOver()) return
      if (!(error instanceof Fault)) throw error
      failures += 1
      terminal.tell(`${error.message}. ${error.advice} [${error.code}]`)
    }
    const pause = Math.min(pauseMs * 2 ** Math.max(0, failures - 1), Math.max(pauseMs, LONGEST_PAUSE_MS))
    await clock.sleep(pause, signal).catch(() => {})
  }
}
