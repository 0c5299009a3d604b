import { Fault } from '@ostler/contract/fault.ts'
import { RunError } from '@ostler/kit/run.ts'
import { appendFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { asRootOfFiles, step } from './apart.ts'
import { DISTRIBUTIONS, FOR_BOOT, FOR_DISPLAY, FOR_MACHINE } from './distribution.ts'
import { WORKSHOP } from './payload.ts'
import { packagesOf, type Recipe, sourcesOf } from './recipe.ts'

/** What a system is made with, beside its recipe. */
export interface BootstrapParts {
  /** A tarball that is laid over the system when its packages are there. */
  readonly payload: string
  /** Where the system goes, as a tarball. */
  readonly target: string
  /** Where the system is while it is made. */
  readonly room: string
  /** A folder in which packages are kept for the next build. */
  readonly cache: string | undefined
  /** Everything that the programs say. */
  readonly log: string
  /** This program, for the step that seals: Node and the file it runs. */
  readonly self: readonly [node: string, program: string]
  readonly tell: (text: string) => void
  readonly signal: AbortSignal
}

/** What mmdebstrap says when it begins with something, and what we say. */
const STEPS: readonly (readonly [RegExp, string])[] = [
  [/^I: running apt-get update.*/, 'reading the lists of the archive'],
  [/^I: downloading packages.*/, 'fetching packages'],
  [/^I: installing essential packages.*/, 'installing the base'],
  [/^I: installing remaining packages.*/, 'installing packages'],
  [/^I: running special hook: tar-in.*/, 'completing the system'],
  [/^ostler-image: (.*)/, '$1'],
  [/^I: creating tarball.*/, 'packing'],
]
const MIRROR =
  /Could not (?:resolve|connect)|Unable to connect|Failed to fetch|Temporary failure resolving|does not have a Release file|NO_PUBKEY|is not signed|Connection (?:failed|refused|timed out)/
const NO_PACKAGE = /Unable to locate package (\S+)|Package '?([\w.+-]+)'? has no installation candidate/
/** What mmdebstrap says last, whatever failed in front of it. */
const NO_REASON = /^E: (?:setup failed|mmdebstrap failed|run_chroot|command failed)|^I: /
const LAST_LINES = 40

/**
 * Makes the system of a recipe: packages, payload, the steps inside, seal.
 * @throws Fault `build.mirror`, `build.noRoom`, `recipe.invalid` for a package that is not there, `build.failed`.
 */
export async function bootstrap(recipe: Recipe, parts: BootstrapParts): Promise<void> {
  const { payload, target, tell, log, self, signal } = parts
  const said = new Said(log, tell)
  const isRoot = process.getuid?.() === 0
  const [node, program] = self
  const hooks = [
    `tar-in "${payload}" /`,
    `chroot "$1" /${WORKSHOP}/finish`,
    // By the environment: no quoting of paths that we do not know.
    '"$OSTLER_IMAGE_NODE" "$OSTLER_IMAGE_PROGRAM" seal "$1"',
  ]
  const argv = [
    ...(isRoot ? asRootOfFiles() : []),
    ...['mmdebstrap', `--mode=${isRoot ? 'root' : 'unshare'}`, '--variant=minbase', '--format=tar'],
    `--include=${allPackages(recipe).join(',')}`,
    '--aptopt=APT::Sandbox::User "root"',
    `--aptopt=APT::Install-Recommends "${String(recipe.values.recommends)}"`,
    ...['--aptopt=Acquire::Retries "3"', '--aptopt=Acquire::http::Timeout "30"'],
    // It would write a machine number that systemd takes for a first boot, and begin with presets.
    '--skip=cleanup/reproducible',
    ...cacheWords(parts.cache),
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    ...[recipe.suite, target, ...sourcesOf(recipe)],
  ]
  try {
    const env = { OSTLER_IMAGE_NODE: node, OSTLER_IMAGE_PROGRAM: program, TMPDIR: parts.room }
    await step(argv, { signal, env, onOutput: (chunk) => said.add(chunk) })
  } catch (cause) {
    signal.throwIfAborted()
    throw faultOf(recipe, said, log, cause)
  }
}

function allPackages(recipe: Recipe): string[] {
  const { values } = recipe
  const isMachine = values.format === 'kvm'
  return packagesOf(recipe, {
    display: FOR_DISPLAY,
    // Where the node lends its agent it lends an init, too.
    boot: recipe.agent === undefined ? [] : FOR_BOOT,
    machine: isMachine ? [...FOR_MACHINE, DISTRIBUTIONS[values.distribution].kernel] : [],
    language: ['tzdata', ...(values.locale === 'C.UTF-8' ? [] : ['locales'])],
  })
}

/** As mmdebstrap's manual says it: what was fetched is kept outside, and is there at the next time. */
function cacheWords(cache: string | undefined): string[] {
  if (cache === undefined) return []
  const archives = join(cache, 'archives')
  mkdirSync(archives, { recursive: true })
  return [
    '--skip=download/empty',
    '--skip=essential/unlink',
    '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
    `--setup-hook=sync-in "${archives}" /var/cache/apt/archives`,
    `--customize-hook=sync-out /var/cache/apt/archives "${archives}"`,
  ]
}

function faultOf(recipe: Recipe, said: Said, log: string, cause: unknown): Fault {
  const lines = said.last
  const found = (pattern: RegExp): RegExpExecArray | undefined =>
    lines.map((line) => pattern.exec(line)).find((match) => match !== null)
  const room = found(/No space left on device/)
  if (room !== undefined)
    return new Fault(
      'build.noRoom',
      { folder: process.env['TMPDIR'] ?? '/tmp', reason: room.input },
      { cause },
    )
  const absent = found(NO_PACKAGE)
  if (absent !== undefined) {
    const problems = `packages: ${recipe.suite} has no ${absent[1] ?? absent[2] ?? ''}`
    return new Fault('recipe.invalid', { recipe: recipe.file, problems }, { cause })
  }
  const mirror = found(MIRROR)
  if (mirror !== undefined)
    return new Fault('build.mirror', { mirror: recipe.mirror, reason: mirror.input }, { cause })
  const last = lines.filter((line) => line !== '' && !NO_REASON.test(line)).at(-1)
  const reason = last ?? (cause instanceof RunError ? cause.message.split('\n')[0] : String(cause))
  return new Fault('build.failed', { step: said.step, reason: reason ?? '', log }, { cause })
}

/** Listens to what the programs say: all of it into the log, steps to whoever waits, the last lines for a fault. */
class Said {
  step = 'starting'
  /** The last lines: what failed stands in one of them. */
  readonly last: string[] = []
  readonly #log: string
  readonly #tell: (text: string) => void
  #rest = ''

  constructor(log: string, tell: (text: string) => void) {
    this.#log = log
    this.#tell = tell
  }

  add(chunk: Buffer): void {
    const text = chunk.toString('utf8')
    appendFileSync(this.#log, text)
    const lines = (this.#rest + text).split(/[\r\n]+/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#hear(line.trim())
  }

  #hear(line: string): void {
    const known = STEPS.find(([pattern]) => pattern.test(line))
    if (known !== undefined) {
      this.step = line.replace(...known)
      this.#tell(this.step)
    }
    this.last.push(line.slice(0, 500))
    if (this.last.length > LAST_LINES) this.last.shift()
  }
}

/** Programs that a build needs, and the Debian packages that bring them. */
export const BUILD_PROGRAMS: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  tar: 'tar',
  setpriv: 'util-linux',
  unshare: 'util-linux',
}

/** @throws Fault `node.missingProgram` for the first that is in no folder of the search path. */
export function requirePrograms(programs: Readonly<Record<string, string>>): void {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  for (const [program, packages] of Object.entries(programs))
    if (!folders.some((folder) => existsSync(join(folder, program))))
      throw new Fault('node.missingProgram', { program, packages })
}
