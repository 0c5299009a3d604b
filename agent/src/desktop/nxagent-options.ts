import type { Input } from '@ostler/contract/agent-api.ts'

export interface NxChannels {
  readonly slave: boolean
  readonly audio: boolean
}

/**
 * The single line of nxagent's option file (compatibility page 4.4): begins with `nx/nx,`, ends with the
 * display. Listens on a unix socket alone; `sleep=0` keeps the screen alive for browsers while suspended.
 *
 * @param client values already checked by the contract: none can hold a comma or a blank.
 */
export function nxOptionLine(
  client: Input<'x_start'>['client'],
  settings: { socket: string; display: number; channels: NxChannels },
): string {
  const options: Record<string, string | number> = {
    link: client.link,
    client: client.os,
    geometry: `${client.geometry.width}x${client.geometry.height}`,
    fullscreen: client.fullscreen ? 1 : 0,
    keyboard: client.keyboard,
    sleep: 0,
    listen: `unix:${settings.socket}`,
    tolerancechecks: 'risky',
    ...(settings.channels.slave ? { slave: 1 } : {}),
    ...(settings.channels.audio ? { media: 1 } : {}),
  }
  const words = Object.entries(options).map(([key, value]) => `${key}=${value}`)
  return `nx/nx,${words.join(',')}:${settings.display}\n`
}
