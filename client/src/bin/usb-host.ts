// Gives a USB device away: BUSID. Says "{}" or a fault in a line, then carries USB/IP on standard input and output.
// A process of its own, because it needs root and nothing else of the client does. Ends with its input, and the device is
// this machine's again.
import { Fault } from '@ostler/contract/fault.ts'
import { isBusId } from '@ostler/contract/usbip/device.ts'
import { finished } from 'node:stream/promises'
import { hostDevice } from '../usb/usbip-host.ts'

const [busId = ''] = process.argv.slice(2)
const { stdin, stdout } = process
// Whoever ends us wants the device back: that is what the end of the input does, and nothing less.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stdin.destroy())
void give().finally(() => stdin.destroy())

/** Never rejects. */
async function give(): Promise<void> {
  try {
    if (!isBusId(busId)) throw new Fault('usb.unusable', { device: busId, reason: 'this is no bus id' })
    await using hosted = await hostDevice(busId)
    stdout.on('error', () => stdin.destroy())
    stdout.write('{}\n')
    stdin.pipe(hosted.stream)
    hosted.stream.pipe(stdout)
    await Promise.race([finished(stdin), finished(hosted.stream, { writable: false })]).catch(() => {})
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const fault = error instanceof Fault ? error : new Fault('usb.unusable', { device: busId, reason })
    stdout.write(`${JSON.stringify(fault)}\n`)
  }
}
