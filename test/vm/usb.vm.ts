import { expect } from 'vitest'
import { USB_CASES } from '../usb/cases.ts'
import { type Bundle, bundleForGuest } from './bundle.ts'
import type { Guest } from './guest.ts'
import { test } from './guest-test.ts'

/** An emulated processor on a busy machine. */
const PROGRAM_MS = 400_000
const DEVICES = '/sys/bus/usb/devices'
const END = '/run/usb-end'

/** What runs in the guest, and the client's program that gives devices away. */
let programs: Bundle

/** Runs `usb-desk.ts` in the guest; see there. */
function desk(guest: Guest, what: string): Promise<string> {
  return guest.must([...programs.command('usb-desk'), what], { timeoutMs: PROGRAM_MS })
}

/** Waits in the guest until a piece of shell holds. */
async function holds(guest: Guest, condition: string): Promise<void> {
  await guest.must(['sh', '-c', `until ${condition}; do sleep 0.5; done 2> /dev/null`], {
    timeoutMs: PROGRAM_MS,
  })
}

/** Where the kernel says that nothing is at any port of its virtual hub. */
async function portsAreFree(guest: Guest): Promise<void> {
  await holds(guest, "! grep -hE '^(hs|ss) +[0-9]+ 0(05|06|07)' /sys/devices/platform/vhci_hcd.0/status*")
}

test.beforeAll(async ({ guest }) => {
  programs = await bundleForGuest('test-usb', ['test/vm/usb-desk.ts', 'client/src/bin/usb-host.ts'])
  await guest.must(['modprobe', '-a', 'vhci-hcd', 'usbhid', 'hid-generic', 'evdev', 'cdc-acm'], {
    timeoutMs: PROGRAM_MS,
  })
}, PROGRAM_MS)
test.afterAll(() => programs[Symbol.dispose]())

test(
  'the kernel of Debian 12 holds every case that its stand-in holds',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    const said = await desk(guest, 'cases')
    const results = said.split('\n').map((line) => JSON.parse(line) as unknown)
    expect(results).toEqual(USB_CASES.map(({ name }) => [name, 'held']))
    await portsAreFree(guest)
  },
)

test(
  'a keyboard of the client is one of the desktop, and its keys arrive',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    await guest.must(['rm', '-f', END])
    const sharing = desk(guest, 'keyboard')
    await holds(guest, `grep -qx STAND-IN-1 ${DEVICES}/*/serial`)
    const event =
      "ls -d /sys/class/input/event*/device/name | xargs grep -l 'Stand-in keyboard' | cut -d/ -f5"
    const pressed = await guest.must(
      [
        'sh',
        '-c',
        `until [ -n "$(${event})" ]; do sleep 0.5; done; od -An -tu2 -w24 -N240 /dev/input/$(${event})`,
      ],
      { timeoutMs: PROGRAM_MS },
    )
    // Type 1 is a key; code 30 is KEY_A (linux/input-event-codes.h).
    expect(pressed.split('\n').map((line) => line.trim().split(/\s+/).slice(8, 10).join(' '))).toContain(
      '1 30',
    )
    await guest.must(['touch', END])
    expect(await sharing).toContain('port ')
    await portsAreFree(guest)
  },
)

test(
  'a device of a real driver travels from kernel to kernel, carries data, and comes back',
  { timeout: PROGRAM_MS },
  async ({ guest }) => {
    // A serial line whose other end is /dev/ttyGS0, at a host controller that is none.
    await guest.must(['modprobe', '-a', 'dummy_hcd', 'g_serial'])
    await holds(guest, 'test -e /dev/ttyACM0')
    const busId = await guest.must([
      'sh',
      '-c',
      `basename "$(dirname "$(grep -l ^0525 ${DEVICES}/*/idVendor)")"`,
    ])
    await guest.must(['rm', '-f', END])
    const sharing = desk(guest, busId)
    const driver = async (): Promise<string> =>
      guest.must(['sh', '-c', `basename "$(readlink ${DEVICES}/${busId}/driver)"`])
    await holds(guest, `readlink -f /sys/class/tty/ttyACM0/device | grep -q vhci_hcd`)
    expect(await driver()).toBe('usbip-host')
    await guest.must(['stty', '-F', '/dev/ttyGS0', 'raw', '-echo'])
    const reading = guest.must(['head', '-n1', '/dev/ttyGS0'], { timeoutMs: 120_000 })
    await guest.must(['sh', '-c', 'stty -F /dev/ttyACM0 raw -echo; echo through both kernels > /dev/ttyACM0'])
    expect(await reading).toBe('through both kernels')
    await guest.must(['touch', END])
    await sharing
    await portsAreFree(guest)
    await holds(guest, `test "$(basename "$(readlink ${DEVICES}/${busId}/driver)")" = usb`)
    expect(await driver()).toBe('usb')
    await guest.must(['modprobe', '-r', 'g_serial', 'dummy_hcd'])
  },
)
