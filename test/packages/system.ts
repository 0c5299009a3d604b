import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openCache, ownPath } from '../vm/cache.ts'
import { archiveOf, type Suite } from './archive.ts'

const BUILD_MS = 1_400_000

/** What a desktop shows itself with, as our packages want it. */
export const FOR_DISPLAY = [
  ...['nxagent', 'nxproxy', 'xvfb', 'xinit', 'xterm', 'openbox', 'x11vnc', 'x11-xserver-utils'],
  ...['x11-xkb-utils', 'xkb-data', 'fonts-dejavu-core'],
]

/** A system that comes up by itself and shows a desktop, once our agent is in it. */
export const FOR_DESKTOP = ['systemd-sysv', 'dbus', 'passwd', 'libstdc++6', ...FOR_DISPLAY]

/** A Debian or an Ubuntu of a suite that is made once. */
export interface SystemRecipe {
  /** What it is for: of each kind and suite the newest is kept. */
  readonly kind: 'node' | 'desktop'
  readonly suite: Suite
  readonly packages: readonly string[]
  /** Packages that lie in its cache with all they need, so that they can be installed without a network. */
  readonly ready: readonly string[]
}

/** @returns the folder of the system, which is everybody's: to be copied, not changed. */
export async function keptSystem(recipe: SystemRecipe): Promise<string> {
  const cache = openCache('test-packages')
  const hash = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12)
  const family = `${recipe.kind}-${recipe.suite}`
  const name = `${family}-${hash}`
  const system = join(cache, name)
  if (existsSync(system)) return system
  for (const other of readdirSync(cache).filter((entry) => entry.startsWith(`${family}-`)))
    rmSync(join(cache, other), { recursive: true })
  const draft = ownPath(cache, family)
  const install = 'apt-get install --yes --no-install-recommends'
  await bootstrap(recipe.suite, await archiveOf(recipe.suite, cache), draft, [
    `--include=${recipe.packages.join(',')}`,
    ...(recipe.ready.length === 0
      ? []
      : [`--customize-hook=chroot "$1" ${install} --download-only ${recipe.ready.join(' ')}`]),
    '--skip=cleanup/apt',
  ])
  renameSync(draft, system)
  return system
}

/** Makes a small system, in namespaces of its own so that nothing outlives it. */
async function bootstrap(
  suite: string,
  archive: string,
  folder: string,
  words: readonly string[],
): Promise<void> {
  const apart = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ')
  const usual = ['--quiet', '--variant=minbase', '--format=directory', '--aptopt=APT::Sandbox::User "root"']
  await run('setpriv', [...apart, 'mmdebstrap', ...usual, ...words, suite, folder, archive], {
    timeoutMs: BUILD_MS,
    env: process.env,
  })
}

/** A copy that may be changed. */
export async function copyOf(system: string, folder: string): Promise<void> {
  await run('cp', ['--archive', '--reflink=auto', system, folder], { timeoutMs: BUILD_MS })
}
