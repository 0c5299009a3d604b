import { run, RunError } from '@ostler/kit/run.ts'
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { confined } from './confined.ts'
import { PROBE_WORD, probeDisk } from './probe-disk.ts'

/** How guests' processors are run: by the machine's own, or emulated, and then why. */
export type Acceleration = { readonly name: 'kvm' } | { readonly name: 'tcg'; readonly because: string }

export interface ProbeSettings {
  /** A folder of root's, where a file is made for the while. */
  readonly folder: string
  /** As whom QEMU runs. */
  readonly uid: number
  /** Groups that may open `/dev/kvm`. */
  readonly groups: readonly number[]
  /** The QEMU that is tried. */
  readonly program: string
}

const EMULATION_MS = 10_000
/** A true KVM starts the probe as fast as emulation does. One that takes so much longer is of no use to a guest. */
const SLACK_MS = 1_500
const FACTOR = 3
const TRIES = 2

/**
 * Finds out whether KVM really runs a guest here, by booting a boot sector with it. A device that can be opened proves
 * nothing: nested and paravirtual ones start a BIOS and then crawl or stand still, without an error. So the same is
 * done by emulation first, and KVM must not take much longer.
 *
 * @throws Error when not even emulation boots.
 */
export async function probeAcceleration(settings: ProbeSettings): Promise<Acceleration> {
  const disk = join(settings.folder, `probe.${process.pid}`)
  writeFileSync(disk, probeDisk(), { mode: 0o600 })
  const file = openSync(disk, 'r')
  try {
    const emulation = await bootProbe('tcg', file, settings, EMULATION_MS)
    if ('trouble' in emulation)
      throw new Error(`${settings.program} does not even emulate: ${emulation.trouble}`)
    let trouble = ''
    for (let tries = 0; tries < TRIES; tries++) {
      const outcome = await bootProbe('kvm', file, settings, SLACK_MS + FACTOR * emulation.ms)
      if (!('trouble' in outcome)) return { name: 'kvm' }
      trouble = outcome.trouble
    }
    return { name: 'tcg', because: trouble }
  } finally {
    closeSync(file)
    rmSync(disk, { force: true })
  }
}

async function bootProbe(
  accel: 'kvm' | 'tcg',
  file: number,
  { uid, groups, program }: ProbeSettings,
  withinMs: number,
): Promise<{ ms: number } | { trouble: string }> {
  const start = performance.now()
  const qemu = [
    ...[program, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'q35', '-accel', accel, '-m', '16'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
    ...['-add-fd', 'set=1,fd=3', '-drive', 'file=/dev/fdset/1,format=raw,if=virtio,readonly=on'],
  ]
  const { command, args } = confined(uid, groups, qemu)
  try {
    await run(command, args, { timeoutMs: withinMs, files: [file], cwd: '/' })
    return { trouble: 'the guest ended without a word' }
  } catch (error) {
    if (!(error instanceof RunError)) throw error
    // The device makes it odd, so that no guest can look like a QEMU that has ended well.
    if (error.exitCode === PROBE_WORD * 2 + 1) return { ms: performance.now() - start }
    if (error.timedOut) return { trouble: `a boot sector did not run within ${Math.round(withinMs)} ms` }
    return { trouble: error.stderr.trim().split('\n').at(-1)?.slice(0, 300) || error.message }
  }
}
