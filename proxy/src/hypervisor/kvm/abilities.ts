import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { mkdirSync } from 'node:fs'
import { type Acceleration, probeAcceleration } from './acceleration.ts'
import { groupOfDevice } from './device-access.ts'

/** What the QEMU of this node can do. */
export interface QemuAbilities {
  readonly acceleration: Acceleration
  /** Some builds of QEMU are without. */
  readonly spice: boolean
}

/** The device through which a processor runs guests by itself. */
export const KVM_DEVICE = '/dev/kvm'

/**
 * Finds out what QEMU can do, when first asked; what failed is tried again.
 *
 * @param settings `folder` of root's, where a file is made for the while; `uid` as whom QEMU is tried.
 * @returns a function that throws Fault `node.missingProgram`, or `node.missingFeature` when QEMU cannot run anything.
 */
export function qemuAbilities(settings: {
  readonly program: string
  readonly folder: string
  readonly uid: number
}): () => Promise<QemuAbilities> {
  let found: Promise<QemuAbilities> | undefined
  return () => {
    found ??= findOut(settings).catch((error: unknown) => {
      found = undefined
      throw error
    })
    return found
  }
}

async function findOut(settings: {
  readonly program: string
  readonly folder: string
  readonly uid: number
}): Promise<QemuAbilities> {
  const { program, folder, uid } = settings
  const missing = (name: string, packages: string, cause: unknown): Fault =>
    new Fault('node.missingProgram', { program: name, packages }, { cause })
  await run(program, ['-version']).catch((cause: unknown) => {
    throw missing(program, 'qemu-system-x86', cause)
  })
  await run('qemu-img', ['--version']).catch((cause: unknown) => {
    throw missing('qemu-img', 'qemu-utils', cause)
  })
  const spice = await hasSpice(program)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const group = groupOfDevice(KVM_DEVICE, uid)
  try {
    const groups = group === undefined ? [] : [group]
    return { spice, acceleration: await probeAcceleration({ program, folder, uid, groups }) }
  } catch (cause) {
    const cure = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('node.missingFeature', { feature: 'way to run a QEMU', cure }, { cause })
  }
}

/** Asked for help, QEMU fails in either case. */
async function hasSpice(program: string): Promise<boolean> {
  let said = ''
  const onOutput = (chunk: Buffer): void => void (said += chunk.toString())
  await run(program, ['-spice', 'help'], { onOutput }).catch(() => {})
  return said.startsWith('spice options')
}
