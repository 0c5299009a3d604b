import { run, RunError } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ownPath, removeImages } from './cache.ts'
import { recipe } from './recipe.ts'

/** The files from which a machine starts; nobody writes to them. */
export interface GuestImage {
  readonly kernel: string
  readonly initrd: string
  /** The root file system, ext4, raw. */
  readonly disk: string
}

const BUILD_MS = 1_200_000
/** The unpacked tree and the disk made out of it, which exist side by side for a moment. */
const NEEDED_MIB = 3 * 1024
const SOURCES = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources']

/** The guest image of this recipe, if it is in the cache. */
export function cachedImage(cache: string): GuestImage | undefined {
  const folder = join(cache, recipeHash())
  if (!existsSync(folder)) return undefined
  return {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.img'),
    disk: join(folder, 'disk.img'),
  }
}

/**
 * Builds the guest image of this recipe into the cache and removes those of other recipes.
 * Needs root and Debian's mirror; mounts nothing that is seen outside.
 *
 * @throws Error with a sentence that says what to mend; nothing half-built stays.
 */
export async function buildImage(cache: string): Promise<GuestImage> {
  removeImages(cache)
  const { bavail, bsize } = statfsSync(cache)
  const freeMiB = Math.floor((bavail * bsize) / 2 ** 20)
  if (freeMiB < NEEDED_MIB)
    throw new Error(
      `The guest image needs ${NEEDED_MIB} MiB in ${cache}, where ${freeMiB} are free. ` +
        'Make room, or name another folder in OSTLER_CACHE.',
    )
  const draft = ownPath(cache, recipeHash())
  try {
    await fill(draft)
    if (cachedImage(cache) === undefined) renameSync(draft, join(cache, recipeHash()))
  } catch (error) {
    if (!(error instanceof RunError)) throw error
    const said = error.stderr.trim().split('\n').slice(-10).join('\n') || error.message
    throw new Error(
      "The guest image could not be built. It needs this machine's Debian mirror and 3 GiB of disk. " +
        `Mend what was said last and try again:\n${said}`,
      { cause: error },
    )
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  const image = cachedImage(cache)
  if (image === undefined)
    throw new Error(`The guest image was removed from ${cache} as soon as it was built.`)
  return image
}

function recipeHash(): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16)
}

async function fill(draft: string): Promise<void> {
  for (const [path, text] of Object.entries(recipe.files)) {
    const target = join(draft, 'files', path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
  }
  const tree = join(draft, 'tree')
  const sources = SOURCES.filter((source) => existsSync(source))
  // In name spaces of its own: whatever becomes of it, no mount and no process stays. It dies with us, too.
  const apart = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ')
  await run('setpriv', [...apart, 'mmdebstrap', ...recipe.bootstrap, recipe.suite, tree, ...sources], {
    timeoutMs: BUILD_MS,
    env: { ...process.env, TMPDIR: draft },
  })
  for (const name of ['vmlinuz', 'initrd.img']) copyFileSync(bootFile(tree, name), join(draft, name))
  await run('mke2fs', [...recipe.disk, '-d', tree, join(draft, 'disk.img'), recipe.diskSize], {
    timeoutMs: BUILD_MS,
  })
  for (const name of ['tree', 'files']) rmSync(join(draft, name), { recursive: true })
}

function bootFile(tree: string, name: string): string {
  const boot = join(tree, 'boot')
  const file = readdirSync(boot).find((candidate) => candidate.startsWith(`${name}-`))
  if (file === undefined)
    throw new Error(`The guest image could not be built: the kernel brought no ${name}.`)
  return join(boot, file)
}
