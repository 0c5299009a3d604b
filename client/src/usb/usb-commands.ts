import { usbName } from '@ostler/contract/usbip/device.ts'
import { findOpenDesktop } from '../control/control-client.ts'
import { usbAnswer, usbListAnswer } from '../control/control-words.ts'
import { localDevices } from './local-devices.ts'

type Print = (line: string) => void

/** `ostler usb list`: the devices of this machine that can be shared. */
export function listUsb(print: Print): void {
  for (const { device, name } of localDevices()) print(lineOf(device.busId, usbName(device), name))
}

/** `ostler usb share`: gives an open desktop a device, by its bus id or kind. @throws Fault. */
export async function shareUsb(word: string, desktop: string | undefined, print: Print): Promise<void> {
  const open = await findOpenDesktop(desktop)
  const { busId, kind, name } = usbAnswer.parse(await open.ask({ do: 'usb share', word }))
  print(`${lineOf(busId, kind, name)} is in ${open.desktop}.`)
}

/** `ostler usb stop`: takes it back. @throws Fault. */
export async function stopUsb(word: string, desktop: string | undefined): Promise<void> {
  const open = await findOpenDesktop(desktop)
  await open.ask({ do: 'usb stop', word })
}

/** `ostler usb shared`: what a desktop has. @throws Fault. */
export async function listSharedUsb(desktop: string | undefined, print: Print): Promise<void> {
  const open = await findOpenDesktop(desktop)
  for (const { busId, kind, name } of usbListAnswer.parse(await open.ask({ do: 'usb' })))
    print(lineOf(busId, kind, name))
}

function lineOf(busId: string, kind: string, name: string): string {
  return `${busId}  ${kind}  ${name}`.trimEnd()
}
