// In the guest: shares USB devices with its own kernel, as client and agent do. `cases`: runs every case of the suite with the
// stand-in and prints in a line of JSON what came of it. `keyboard` and `BUSID`: shares the stand-in or a device of the machine, prints
// a line when the desktop has it, and presses a key, until the file /run/usb-end is there.
import { attachDevice } from '@ostler/agent/usb/vhci.ts'
import { findDevice, localDevices } from '@ostler/client/usb/local-devices.ts'
import { startHost } from '@ostler/client/usb/host-process.ts'
import { run } from '@ostler/kit/run.ts'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KEYBOARD, UsbRoom } from '../fixtures/usb-room.ts'
import { UsbStandIn } from '../fixtures/usb-stand-in.ts'
import { USB_CASES } from '../usb/cases.ts'

const DEVICES = '/sys/bus/usb/devices'
const END = '/run/usb-end'
const KEY_A = 4

const [what = ''] = process.argv.slice(2)
// No word at the top waits: it is bundled as CommonJS.
void (what === 'cases' ? runCases() : share(what))

async function runCases(): Promise<void> {
  for (const { name, run: runCase } of USB_CASES) {
    const outcome = await runCase({ attach: attachDevice, descriptor }).then(
      () => 'held',
      (error: unknown) => String(error),
    )
    console.log(JSON.stringify([name, outcome]))
  }
}

async function share(word: string): Promise<void> {
  await using room = new UsbRoom({ attach: attachDevice })
  const keyboard = word === 'keyboard' ? new UsbStandIn() : undefined
  const device = keyboard === undefined ? findDevice(word, localDevices()) : KEYBOARD
  const answers = keyboard ?? (await startHost(device.device.busId, [])).stream
  const { opened } = await room.share(answers, device)
  console.log(`port ${opened.port}`)
  while (!existsSync(END)) {
    keyboard?.type(KEY_A)
    await delay(200)
  }
}

/** Read by a program of its own: the kernel keeps readers of sysfs waiting while it asks the device, whose answers we carry. */
async function descriptor(): Promise<Buffer | undefined> {
  const found = readdirSync(DEVICES).find(
    (name) => /^\d+-\d+$/.test(name) && readlinkSync(join(DEVICES, name)).includes('/vhci_hcd'),
  )
  if (found === undefined) return undefined
  const args = ['-An', '-tx1', '-v', '-N18', join(DEVICES, found, 'descriptors')]
  const hex = await run('od', args).then(
    ({ stdout }) => stdout.replace(/\s/g, ''),
    () => '',
  )
  return hex.length === 36 ? Buffer.from(hex, 'hex') : undefined
}
