import { Fault } from '@ostler/contract/fault.ts'
import { type OpenedUsb, UsbStream } from '@ostler/contract/usb-stream.ts'
import { offerDevice } from '@ostler/contract/usbip/operations.ts'
import { carryUrbs, UrbWatch } from '@ostler/contract/usbip/urb-watch.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Duplex } from 'node:stream'
import type { DisplayStream } from '../door.ts'
import type { LocalDevice } from './local-devices.ts'

/** The desktop's kernel gets the device before the agent answers. */
const OPEN_MS = 30_000

/** A device that a desktop has. */
export interface ServedDevice {
  /** As the agent has it. */
  readonly opened: OpenedUsb
  /** Why it has gone; `undefined` when we ended it. */
  readonly ended: Promise<Fault | undefined>
}

/**
 * Offers a device of this machine on a stream to the agent, until either end goes or `signal` aborts.
 * @param answers the device's side: what takes requests and answers them. Destroyed in the end.
 * @throws Fault as the agent says, `usb.lost`, `usb.malformed`. Both streams are closed then.
 */
export async function serveDevice(
  { device, interfaces, name }: LocalDevice,
  answers: Duplex,
  { stream: raw, head }: DisplayStream,
  signal: AbortSignal,
): Promise<ServedDevice> {
  const stream = new UsbStream(raw, head)
  const over = Promise.withResolvers<Fault>()
  const end = (why: Error | undefined): void => over.resolve(asFault(why))
  for (const each of [stream, answers]) each.on('error', end).once('close', () => end(undefined))
  const abort = (): void => end(undefined)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const ended = over.promise.then((why) => {
    signal.removeEventListener('abort', abort)
    for (const each of [stream, answers]) each.destroy()
    return signal.aborted ? undefined : why
  })
  try {
    const opened = await withDeadline('the USB device', OPEN_MS, async () => {
      const { busId, vendor, product } = device
      stream.say('open', { busId, vendor, product, name })
      // A refusal comes instead of the question.
      await Promise.race([offerDevice(stream, { device, interfaces }), refusalOf(stream)])
      const watch = new UrbWatch(device)
      carryUrbs(stream, watch.requests(), answers, end)
      carryUrbs(answers, watch.answers(), stream, end)
      return await stream.answered
    })
    return { opened, ended }
  } catch (error) {
    end(error instanceof Error ? error : undefined)
    await ended
    throw asFault(error)
  }
}

/** Never resolves. @throws what the agent says against it. */
async function refusalOf(stream: UsbStream): Promise<never> {
  await stream.answered
  return await new Promise<never>(() => {})
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const reason = error instanceof Error ? error.message : 'its line has ended'
  return new Fault('usb.lost', { reason }, { cause: error })
}
