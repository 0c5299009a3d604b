import { comesToHold } from '@ostler/kit/poll.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ownPath } from './cache.ts'
import { GUEST_CONSOLE, GUEST_PORT, openGuest } from './guest.ts'
import type { GuestImage } from './image.ts'
import { PORT_NAME, PROJECT } from './recipe.ts'

/** Guests of an emulated processor on a busy machine take their time. */
const BOOT_MS = 300_000
const END_MS = 5_000

/** A virtual machine that runs until it is disposed of. No network card; the disk forgets all changes. */
export interface Machine extends AsyncDisposable {
  /** Where its port and its console are: what `openGuest` takes. */
  readonly folder: string
}

/**
 * Starts a machine from `image`, with a folder of its own in the cache, and waits until its systemd has
 * started everything, however that went. The guest sees the folder `project` read-only at `PROJECT.path`.
 *
 * @throws Error with what the emulator and the guest's console said, when that takes more than 5 minutes.
 */
export async function startMachine(cache: string, image: GuestImage, project: string): Promise<Machine> {
  const scope = new Scope()
  try {
    const folder = ownPath(cache, 'machine')
    mkdirSync(folder, { mode: 0o700 })
    scope.defer(() => rmSync(folder, { recursive: true }))
    const emulator = startEmulator(qemuArguments(image, project, folder))
    scope.defer(() => end(emulator.child))
    try {
      using guest = await openGuest(folder)
      await guest.run(['systemctl', 'is-system-running', '--wait'], { timeoutMs: BOOT_MS })
    } catch (error) {
      const said = error instanceof Error ? error.message : 'unknown reason'
      throw new Error(`The guest did not start. ${emulator.complaint()}${said}`, { cause: error })
    }
    return { folder, [Symbol.asyncDispose]: () => scope.close() }
  } catch (error) {
    await scope.close()
    throw error
  }
}

function qemuArguments(image: GuestImage, project: string, folder: string): string[] {
  const disk = `file=${commas(image.disk)},format=raw,if=virtio,snapshot=on`
  const consoleFile = `file,id=console,path=${commas(join(folder, GUEST_CONSOLE))}`
  const port = `socket,id=port,path=${commas(join(folder, GUEST_PORT))},server=on,wait=off`
  const share = `local,path=${commas(project)},mount_tag=${PROJECT.tag},security_model=none,readonly=on`
  return [
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    // Never KVM: where a hypervisor passes it on badly, a kernel hangs at its start, without an error.
    ...['-accel', 'tcg,thread=multi', '-smp', '2', '-m', '1024'],
    // The plainest model is also the fastest to emulate. `max,svm=off` breaks mounts in the guest (QEMU 7.2).
    ...['-machine', 'q35', '-cpu', 'qemu64'],
    ...['-kernel', image.kernel, '-initrd', image.initrd],
    ...['-append', 'root=/dev/vda rw fsck.mode=skip panic=-1 console=ttyS0 systemd.show_status=1'],
    ...['-drive', disk],
    ...['-chardev', consoleFile, '-serial', 'chardev:console'],
    ...['-chardev', port, '-device', 'virtio-serial-pci'],
    ...['-device', `virtserialport,chardev=port,name=${PORT_NAME}`],
    ...['-virtfs', `${share},multidevs=remap`],
  ]
}

/** A comma in a value of an option is written twice. */
function commas(value: string): string {
  return value.replaceAll(',', ',,')
}

function startEmulator(args: readonly string[]): { child: ChildProcess; complaint: () => string } {
  // Should we be killed, it is killed, too.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)))
  child.on('error', (error) => (said += error.message))
  return { child, complaint: () => (said === '' ? '' : `The emulator said: ${said.trim()}\n`) }
}

/** Pulls the plug: what the guest has not written is not missed. */
async function end(child: ChildProcess): Promise<void> {
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  if (ended()) return
  child.kill('SIGTERM')
  if (await comesToHold(ended, END_MS, 20)) return
  child.kill('SIGKILL')
  await comesToHold(ended, END_MS, 20)
}
