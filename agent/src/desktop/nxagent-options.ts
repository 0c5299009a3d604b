import type { SessionRequest } from './request.ts'
import { NX_CLIPBOARD } from './session-policy.ts'

/** Where nxagent listens, and which channels it opens. */
export interface NxSettings {
  readonly display: number
  /** A unix socket; `undefined`: TCP port 4000 + display on every address, as QVD's l7r expects it. */
  readonly socket: string | undefined
  readonly tolerance: string
  readonly slave: boolean
  readonly audio: boolean
}

/** Where nxagent has the channel of the printers. */
export const PRINTING_PORT = 2100

/**
 * The single line of nxagent's option file (compatibility page 4.4): begins with `nx/nx,`, ends with the display.
 * `sleep=0` keeps the screen alive for browsers while suspended. What the client chose comes first: of two values nxagent takes
 * the last, which is ours.
 *
 * @param request already checked: none of its values can hold a comma or a blank.
 */
export function nxOptionLine(request: SessionRequest, settings: NxSettings): string {
  const { client, policy } = request
  const { width, height } = client.geometry
  const options: readonly (readonly [string, string | number])[] = [
    // What needs libXext: nxagent crashes by it when it resumes (decision 0047). A client may ask for it all the same.
    ['shpix', 0],
    ['xinerama', mayHaveScreens(client) ? 1 : 0],
    ...request.extraArgs,
    ['link', client.link],
    ['client', client.os],
    ['geometry', `${width}x${height}`],
    ['fullscreen', client.fullscreen ? 1 : 0],
    ['keyboard', client.keyboard],
    ['sleep', 0],
    ...(settings.socket === undefined ? [] : [['listen', `unix:${settings.socket}`] as const]),
    ['tolerancechecks', settings.tolerance],
    // Said also when it is the default: a resumed session keeps what it is not told.
    ['clipboard', NX_CLIPBOARD[policy.clipboard]],
    // Nobody behind the slave channel could tell which folders are allowed.
    ...(settings.slave && policy.folders !== 'off' ? [['slave', 1] as const] : []),
    ...(settings.audio && policy.audio ? [['media', 1] as const] : []),
    ...printingChannel(request),
  ]
  const words = options.map(([key, value]) => `${key}=${value}`)
  return `nx/nx,${words.join(',')}:${settings.display}\n`
}

/** Printers on the slave channel need none of their own. */
function printingChannel({ printing }: SessionRequest): (readonly [string, number])[] {
  return printing === undefined || printing === 'slave' ? [] : [[printing, PRINTING_PORT]]
}

/** No single screen is longer than this, for its other side. */
const LONGEST_SCREEN = 2.4
/** Nor so square. */
const SQUAREST_SCREEN = 1.2

/** Whether a client's picture may span several screens: it fills them all, and is not of the shape of one. */
function mayHaveScreens({ fullscreen, geometry: { width, height } }: SessionRequest['client']): boolean {
  const shape = Math.max(width, height) / Math.min(width, height)
  return fullscreen && (shape > LONGEST_SCREEN || shape < SQUAREST_SCREEN)
}
