import { Fault } from '@ostler/contract/fault.ts'
import { RunError } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asRootOfFiles, step } from './apart.ts'
import { installedPackages, type InstalledPackage } from './bill.ts'
import { BUILD_PROGRAMS, requirePrograms } from './bootstrap.ts'
import { compress, packagesIn, workFolder, type Workplace } from './build.ts'
import { DISK_PROGRAMS, FIRST_PARTITION } from './disk.ts'
import { nextVersion, release, type Release } from './release.ts'

const SHELL = ['/bin/bash', '--login']
/** How a shell ends whose work is not wanted; its usual code is that of whatever was typed last. */
const THROW_AWAY = 99

/**
 * Opens a copy of an image, runs a program or a shell in it as its root, seals it and makes it a new version, beside the first one,
 * which stays as it is.
 *
 * @param command the program; empty: a shell at this terminal.
 * @returns `undefined` when whoever sat at the shell has thrown it away.
 * @throws Fault `build.failed` when the program fails; `build.notRoot` for the disk of a machine without root.
 */
export async function editImage(
  { path, manifest }: Release,
  command: readonly string[],
  place: Omit<Workplace, 'output' | 'cache'>,
): Promise<Release | undefined> {
  const { tell, signal, inside } = place
  const isMachine = manifest.format === 'kvm'
  if (isMachine && process.getuid?.() !== 0) throw new Fault('build.notRoot')
  requirePrograms({ ...BUILD_PROGRAMS, ...(isMachine ? DISK_PROGRAMS : {}) })
  const output = dirname(path)
  const version = place.version ?? nextVersion(output, manifest.name, new Date())
  await using work = workFolder(output)
  const tree = join(work.path, 'tree')
  mkdirSync(tree)
  const disk = join(work.path, 'disk.img')
  const asRoot = [...asRootOfFiles(), ...(isMachine ? [join(inside, 'with-disk'), disk, tree] : [])]
  try {
    tell('unpacking')
    if (isMachine) await step(['qemu-img', 'convert', '-O', 'raw', path, disk], { signal })
    else await step([...asRoot, ...UNPACK, `--file=${path}`, `--directory=${tree}`], { signal })
    const argv = [...asRoot, join(inside, 'enter'), tree, ...(command.length > 0 ? command : SHELL)]
    if (command.length === 0) tell(`exit makes this version ${version}, exit ${THROW_AWAY} throws it away`)
    const end = await sitAt(argv, signal)
    if (command.length === 0 && (end === null || end === THROW_AWAY)) return undefined
    if (command.length > 0 && end !== 0) {
      const reason = `it ended with ${end ?? 'a signal'}`
      throw new Fault('build.failed', { step: 'the program in the image', reason, log: 'its own words' })
    }
    tell('sealing')
    await step([...asRoot, ...place.self, 'seal', tree], { signal })
    tell('packing')
    const { draft, packages } = isMachine
      ? await packDisk(disk, work.path, signal)
      : await packTree([...asRoot, ...PACK, `--directory=${tree}`], path, work.path, signal)
    const { file: _file, sha256: _sha256, bytes: _bytes, made: _made, agent: _agent, ...about } = manifest
    return await release(draft, output, { ...about, version, editedFrom: manifest.version }, packages)
  } catch (cause) {
    signal.throwIfAborted()
    if (!(cause instanceof RunError)) throw cause
    throw new Fault(
      'build.failed',
      { step: 'editing', reason: cause.message, log: 'this sentence' },
      { cause },
    )
  }
}

const UNPACK = ['tar', '--extract', '--numeric-owner', '--xattrs', '--xattrs-include=*']
const PACK = ['tar', '--create', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--one-file-system']

interface Packed {
  readonly draft: string
  readonly packages: readonly InstalledPackage[]
}

async function packTree(
  argv: readonly string[],
  path: string,
  work: string,
  signal: AbortSignal,
): Promise<Packed> {
  const system = join(work, 'system.tar')
  await step([...argv, `--file=${system}`, '.'], { signal })
  const packages = await packagesIn(system, signal)
  return { draft: await compress(system, /\.tar(\.\w+)?$/.exec(path)?.[1] ?? '', signal), packages }
}

async function packDisk(disk: string, work: string, signal: AbortSignal): Promise<Packed> {
  const at = `${disk}?offset=${FIRST_PARTITION}`
  const { stdout } = await step(['debugfs', '-R', 'cat /var/lib/dpkg/status', at], {
    signal,
    maxOutput: 2 ** 26,
  })
  const draft = join(work, 'disk.qcow2')
  await step(['qemu-img', 'convert', '-O', 'qcow2', disk, draft], { signal })
  return { draft, packages: installedPackages(stdout) }
}

/**
 * Runs a program at this terminal, without a deadline: who sits there ends it. A shell that was in a namespace of processes has not
 * given the terminal back, so nothing can be read from it afterwards.
 * @returns its exit code; `null` when a signal has ended it.
 */
async function sitAt(
  [program = '', ...args]: readonly string[],
  signal: AbortSignal,
): Promise<number | null> {
  const { TERM } = process.env
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...{ HOME: '/root', LC_ALL: 'C.UTF-8', ...(TERM === undefined ? {} : { TERM }) },
  }
  const child = spawn(program, args, { stdio: ['inherit', 2, 2], env, signal, killSignal: 'SIGKILL' })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
}
