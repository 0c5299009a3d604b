import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { ownProgram } from '../own-program.ts'

/** Loading the kernel's module may be part of it; nobody is asked for a password. */
const BIND_MS = 40_000
const WORDS_MS = 2_000
const MAX_LINE = 4_096
const TAIL = 500

/** A device of this machine that is given away. */
export interface DeviceHost {
  /** The device's side of USB/IP. Destroying it gives the device back. */
  readonly stream: Duplex
  /** Resolves when the device is its driver's again. */
  readonly returned: Promise<void>
}

/**
 * Has a device of this machine given away, by a process with root's rights (`bin/usb-host.ts`).
 *
 * @param elevate what such a process is started by, as `['sudo', '-n']`; empty: we are root.
 * @throws Fault `usb.noModule`, `usb.unusable`.
 */
export async function startHost(busId: string, elevate: readonly string[]): Promise<DeviceHost> {
  const words = [process.execPath, ownProgram('usb-host'), busId]
  const [command = process.execPath, ...rest] = elevate.length === 0 ? words : elevate.concat(words)
  // A group of its own: what a terminal sends to all of us must not end it before the device is given back.
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', detached: true })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-TAIL)))
  child.on('error', (error) => (said = error.message)) // and its output ends
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const returned = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    const first: unknown = JSON.parse(await withDeadline('the device', BIND_MS, () => firstLine(child)))
    const fault = faultFromBody(first)
    if (fault !== undefined) throw fault
  } catch (error) {
    child.stdin.destroy()
    if (error instanceof Fault) throw error
    // Its words come on another pipe, maybe later than the end of this one.
    await withDeadline('its last words', WORDS_MS, () => closed).catch(() => {})
    const words = said.trim().split('\n').at(-1) ?? ''
    const reason = words === '' ? 'it could not be taken from its driver' : words
    throw new Fault('usb.unusable', { device: busId, reason }, { cause: error })
  }
  child.stderr.resume()
  // Node takes such a pair (Duplex.from), its types know only that of the web.
  const pair = { readable: child.stdout, writable: child.stdin } as unknown as NodeJS.ReadWriteStream
  return { stream: Duplex.from(pair), returned }
}

/** What comes after it stays in the stream: nothing does before something is asked. */
async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let line = ''
  while (stdout !== null && !line.endsWith('\n') && line.length < MAX_LINE) {
    const chunk = stdout.read() as Buffer | null
    if (chunk !== null) line += chunk.toString()
    else if (stdout.readableEnded || stdout.destroyed) break
    else await Promise.race([once(stdout, 'readable'), once(stdout, 'close')])
  }
  return line
}
