import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { type Controlled, serveControl } from '../control/control-server.ts'
import type { Door } from '../door.ts'
import type { PresentChannel } from '../slave/present-channel.ts'
import { type DeviceHost, startHost } from '../usb/host-process.ts'
import { SharedDevices } from '../usb/shared-devices.ts'
import { type ServedFolder, serveFolder } from './serve-folder.ts'
import { serveFolderOnChannel } from './serve-on-channel.ts'
import { SharedFolders } from './shared-folders.ts'
import type { WantedShare } from './wanted-share.ts'

/** By this a user may have USB devices taken from their drivers (docs/usb.md). */
const ELEVATE = ['sudo', '-n'] as const

/**
 * Shares folders with a desktop that is shown, and listens to `ostler share`, `ostler usb` and their like meanwhile. What
 * fails is told and stops nothing: the desktop is what the user came for.
 *
 * @param door what opens a stream for a folder or a USB device.
 * @param channel takes the folders where the door knows no such streams, as QVD's; `undefined`: there is none.
 */
export async function shareBeside(
  door: Pick<Door, 'openFolder' | 'openUsb'>,
  desktop: { readonly id: number; readonly name: string },
  shares: readonly WantedShare[],
  channel: PresentChannel | undefined,
  tell: (line: string) => void,
): Promise<AsyncDisposable> {
  const scope = new Scope()
  const folders = scope.own(new SharedFolders({ serve: serverOver(door, desktop.id, channel), tell }))
  const host = (busId: string): Promise<DeviceHost> =>
    startHost(busId, process.getuid?.() === 0 ? [] : ELEVATE)
  const usb = scope.own(new SharedDevices({ open: () => door.openUsb(desktop.id), host, tell }))
  const controlled: Controlled = { desktop: desktop.name, folders, usb }
  try {
    scope.own(await serveControl(controlled))
  } catch (error) {
    tell(`'ostler share' and 'ostler usb' cannot be used here: ${lastSentence(error).sentence}`)
  }
  // The display does not wait for them.
  void Promise.all(shares.map((share) => begin(folders, share, tell)))
  return scope
}

function serverOver(
  door: Pick<Door, 'openFolder'>,
  desktop: number,
  channel: PresentChannel | undefined,
): (share: WantedShare, signal: AbortSignal) => Promise<ServedFolder> {
  return async (share, signal) => {
    try {
      return await serveFolder(share, await door.openFolder(desktop), signal)
    } catch (error) {
      if (channel === undefined || !knowsNoFolders(error)) throw error
      return await serveFolderOnChannel(share, await channel.guest(), signal)
    }
  }
}

/** Whether a server has said that it, or the desktop's agent, has no streams for folders. */
function knowsNoFolders(error: unknown): boolean {
  if (!(error instanceof Fault)) return false
  return (
    error.code === 'tunnel.unsupported' || (error.code === 'client.refused' && error.detail['status'] === 404)
  )
}

async function begin(
  folders: SharedFolders,
  share: WantedShare,
  tell: (line: string) => void,
): Promise<void> {
  try {
    const { place, readOnly } = await folders.add(share)
    tell(`${share.path} is ${place}${readOnly ? ', for reading only' : ''}.`)
  } catch (error) {
    tell(`${share.path} is not shared: ${lastSentence(error).sentence}`)
  }
}
