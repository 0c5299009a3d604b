import { Fault } from '@ostler/contract/fault.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { asRootOfFiles, step } from './apart.ts'
import { installedPackages, type InstalledPackage } from './bill.ts'
import { bootstrap, BUILD_PROGRAMS, requirePrograms } from './bootstrap.ts'
import { DISK_PROGRAMS, diskOf } from './disk.ts'
import { makePayload } from './payload.ts'
import type { Recipe } from './recipe.ts'
import { nextVersion, release, type Release } from './release.ts'

/** Where an image is built, and by what. */
export interface Workplace {
  /** Where finished images lie; the work is done in a folder of its own below. */
  readonly output: string
  readonly cache: string | undefined
  readonly version: string | undefined
  /** Programs that run inside images. */
  readonly inside: string
  readonly self: readonly [node: string, program: string]
  readonly tell: (text: string) => void
  readonly signal: AbortSignal
}

/** By the ending of a tarball. */
const COMPRESSORS: Readonly<Record<string, readonly string[]>> = {
  '.gz': ['gzip', '--no-name', '--fast'],
  '.zst': ['zstd', '--quiet', '--rm', '-T0'],
  '.xz': ['xz', '-T0'],
}
const ENDINGS = { none: '', gzip: '.gz', zstd: '.zst', xz: '.xz' } as const
const TIDY_MS = 600_000
/** What the smallest desktop takes while it is made. */
const LEAST_BYTES = 2 * 2 ** 30

/**
 * Builds the image of a recipe. What is half-made when it fails, or is told to stop, is removed, but for the log.
 * @throws Fault `build.noRoom`, `build.mirror`, `recipe.invalid`, `node.missingProgram`, `build.failed`.
 */
export async function buildImage(recipe: Recipe, place: Workplace): Promise<Release> {
  const { values } = recipe
  const isMachine = values.format === 'kvm'
  const { tell, signal } = place
  const ending = isMachine ? '' : ENDINGS[values.compress]
  const [compressor] = COMPRESSORS[ending] ?? []
  requirePrograms({
    ...BUILD_PROGRAMS,
    ...(isMachine ? DISK_PROGRAMS : {}),
    ...(compressor === undefined ? {} : { [compressor]: compressor }),
  })
  const output = resolve(place.output)
  mkdirSync(output, { recursive: true })
  const temporary = process.env['TMPDIR'] ?? '/tmp'
  for (const folder of [output, temporary]) requireRoom(folder)
  const version = place.version ?? nextVersion(output, values.name, new Date())
  const log = join(output, `${values.name}-${version}.log`)
  await using work = workFolder(output)
  // A program that is ended in the middle of its work leaves its own folders: they are in this one.
  await using room = workFolder(temporary)
  const payload = await makePayload(recipe, work.path, place.inside, signal)
  const system = join(work.path, 'system.tar')
  await bootstrap(recipe, { ...place, payload, target: system, log, room: room.path })
  const packages = await packagesIn(system, signal)
  const what = isMachine ? 'making the disk' : 'compressing'
  tell(what)
  let draft: string
  try {
    draft = isMachine
      ? await diskOf(system, work.path, values['disk.size'], signal)
      : await compress(system, ending, signal)
  } catch (cause) {
    signal.throwIfAborted()
    throw stepFault(what, output, log, cause)
  }
  const about = {
    ...{ name: values.name, version, format: values.format, distribution: values.distribution },
    ...{ suite: recipe.suite, desktop: values.desktop, recipe: readFileSync(recipe.file, 'utf8') },
  }
  const made = await release(draft, output, about, packages)
  rmSync(log, { force: true })
  return made
}

/** Makes a tarball smaller, in its place, as its ending says; one that is to have none stays. @returns its new path. */
export async function compress(tarball: string, ending: string, signal: AbortSignal): Promise<string> {
  const argv = COMPRESSORS[ending]
  if (argv !== undefined) await step([...argv, tarball], { signal })
  return `${tarball}${argv === undefined ? '' : ending}`
}

/** What is installed in the system of a tarball. */
export async function packagesIn(tarball: string, signal: AbortSignal): Promise<InstalledPackage[]> {
  const argv = ['tar', '--extract', '--to-stdout', `--file=${tarball}`, './var/lib/dpkg/status']
  const { stdout } = await step(argv, { signal, maxOutput: 2 ** 26 })
  return installedPackages(stdout)
}

/**
 * A folder that is gone when the work is, also what other users have in it: those that stand for the owners of files in a system.
 * @param below a folder that everybody may pass, where those users work.
 */
export function workFolder(below: string): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(below, '.ostler-image-'))
  chmodSync(path, 0o755)
  const scope = new Scope()
  scope.defer(async () => {
    const signal = AbortSignal.timeout(TIDY_MS)
    await step([...asRootOfFiles(), 'rm', '-rf', '--one-file-system', path], { signal })
  })
  return { path, [Symbol.asyncDispose]: () => scope.close() }
}

function requireRoom(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize >= LEAST_BYTES) return
  const reason = `${Math.floor((bavail * bsize) / 2 ** 20)} MB are free, and it takes ${LEAST_BYTES / 2 ** 20}`
  throw new Fault('build.noRoom', { folder, reason })
}

function stepFault(what: string, folder: string, log: string, cause: unknown): unknown {
  if (cause instanceof Fault) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return /No space left on device/.test(reason)
    ? new Fault('build.noRoom', { folder, reason: 'it is full' }, { cause })
    : new Fault('build.failed', { step: what, reason, log }, { cause })
}
