import { SLAVE_FLAVOR } from '@ostler/contract/slave-printers.ts'
import type { SlaveRoute } from '@ostler/contract/slave-server.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { cupsPlace, listPrinters } from './printing/cups-server.ts'
import { openPrintDoor } from './printing/print-door.ts'
import { printRoutes } from './printing/print-routes.ts'
import { pulseCookie, pulsePlace } from './sound/pulse-server.ts'
import { openSoundDoor } from './sound/sound-door.ts'

/** What of this machine a desktop may use beside its screen. */
export interface WantedChannels {
  /** Names of printers, `all` of them, or none. */
  readonly printers: readonly string[] | 'all'
  /** Offer them on the slave channel, as QVD 4's clients for Windows do, instead of by a channel of their own. */
  readonly printOverSlave?: boolean
  readonly sound: boolean
  /** Only with sound. */
  readonly microphone: boolean
}

export const NO_CHANNELS: WantedChannels = { printers: [], sound: false, microphone: false }

/** The ways that are open for one connection. */
export interface NxChannels extends AsyncDisposable {
  /** For nxproxy. */
  readonly options: Readonly<Record<string, string>>
  /** For the server. */
  readonly parameters: Readonly<Record<string, string>>
  /** For the slave channel. */
  readonly routes: readonly SlaveRoute[]
}

/**
 * Opens what is wanted and is there, each way for programs of this user alone. What cannot be had is told, and
 * stops nothing: the desktop is what she came for.
 *
 * @param tell gets a sentence for the user.
 */
export async function openNxChannels(
  wanted: WantedChannels,
  environment: NodeJS.ProcessEnv,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<NxChannels> {
  const scope = new Scope()
  const folder = mkdtempSync(join(tmpdir(), 'ostler-ways-'))
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o700)
  const options: Record<string, string> = {}
  const parameters: Record<string, string> = {}
  const routes: SlaveRoute[] = []
  try {
    const printers = await printersOf(wanted, environment, tell, signal)
    if (printers.length > 0) {
      const path = join(folder, 'cups')
      const user = userInfo().username
      const settings = { cups: cupsPlace(environment), printers: new Set(printers), user }
      parameters['qvd.client.printing.enabled'] = '1'
      if (wanted.printOverSlave === true) {
        parameters['qvd.client.printing.flavor'] = SLAVE_FLAVOR
        routes.push(...printRoutes(settings))
      } else {
        scope.own(await openPrintDoor(path, settings))
        options['cups'] = `unix:${path}`
      }
    }
    const pulse = wanted.sound ? pulsePlace(environment) : undefined
    if (pulse !== undefined) {
      const { microphone } = wanted
      const door = scope.own(await openSoundDoor({ pulse, microphone, cookie: pulseCookie(environment) }))
      options['media'] = String(door.port)
      parameters['qvd.client.audio.sound.enable'] = '1'
      parameters['qvd.client.audio.microphone.enable'] = microphone ? '1' : '0'
    } else if (wanted.microphone)
      tell('There is no sound server here: the desktop has neither sound nor microphone.')
  } catch (error) {
    await scope.close()
    throw error
  }
  return { options, parameters, routes, [Symbol.asyncDispose]: () => scope.close() }
}

async function printersOf(
  { printers }: WantedChannels,
  environment: NodeJS.ProcessEnv,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const wanted = printers === 'all' ? undefined : printers
  if (wanted?.length === 0) return []
  const there = await listPrinters(cupsPlace(environment), signal).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    if (wanted !== undefined) tell(`The desktop has no printers: ${reason}.`)
    return [] as string[]
  })
  if (wanted === undefined) return there
  const missing = wanted.filter((name) => !there.includes(name))
  if (there.length > 0 && missing.length > 0) tell(`You have no printer ${missing.join(', ')}.`)
  return wanted.filter((name) => there.includes(name))
}
