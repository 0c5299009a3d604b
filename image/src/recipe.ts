import { AGENT_OPTIONS } from '@ostler/agent/config/options.ts'
import { Fault } from '@ostler/contract/fault.ts'
import {
  ConfigError,
  flag,
  integer,
  loadConfig,
  oneOf,
  type Option,
  optional,
  text,
  type Values,
} from '@ostler/kit/config.ts'
import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { DISTRIBUTIONS, ENVIRONMENTS } from './distribution.ts'

const words = (summary: string, pattern: RegExp, what: string): Option<readonly string[]> => ({
  default: '',
  summary,
  parse: (value) => {
    const list = value.split(/[\s,]+/).filter(Boolean)
    const bad = list.find((word) => !pattern.test(word))
    if (bad !== undefined) throw new Error(`has "${bad}", which is no ${what}`)
    return list
  },
})
const matching = (summary: string, fallback: string | undefined, pattern: RegExp, what: string) => ({
  ...text(summary, fallback),
  parse: (value: string): string => {
    if (!pattern.test(value)) throw new Error(`is no ${what}`)
    return value
  },
})

const URL_TEXT = /^(?:https?:\/\/|file:\/)[\w.:/~@%+-]+$/
const WORD = /^[a-z0-9][a-z0-9.+-]*$/
const FILE = /^[^\0\s,]+$/

/** Every key of a recipe, beside those of `vma.conf`, which may stand in it, too. */
export const RECIPE_OPTIONS = {
  name: matching(
    'what its files are called; small letters, digits and hyphens',
    undefined,
    /^[a-z][a-z0-9-]{0,60}$/,
    'name of small letters, digits and hyphens',
  ),
  format: oneOf('`lxc`: a tarball for containers; `kvm`: a qcow2 for machines', ['lxc', 'kvm'], 'lxc'),
  distribution: oneOf('where its packages are from', ['debian', 'ubuntu'], 'debian'),
  suite: optional(
    matching("release; empty: bookworm, or Ubuntu's noble", '', /^[a-z][a-z0-9-]*$/, 'name of a release'),
  ),
  mirror: optional(
    matching("where packages are fetched; empty: the distribution's own", '', URL_TEXT, 'http address'),
  ),
  components: words(
    'parts of the archive; empty: main, with Ubuntu also universe',
    WORD,
    'part of an archive',
  ),
  keyring: optional(
    matching("keys of the archive; empty: the distribution's", '', /^\/[\w./+-]+$/, 'absolute path'),
  ),
  updates: flag('also from the archives of updates and security', true),
  desktop: oneOf('desktop environment', ['none', 'lxde', 'xfce', 'mate'], 'none'),
  packages: words('more Debian packages, by blanks or commas', WORD, 'name of a package'),
  recommends: flag('also packages that are only recommended', false),
  agent: optional(
    matching(
      '`ostler-vma_*.deb`; empty: none, the node lends its own, for `lxc` alone',
      '',
      FILE,
      'file name without blanks',
    ),
  ),
  files: optional(
    matching('a folder whose files go to the same places of the image', '', FILE, 'name without blanks'),
  ),
  hooks: words('programs that go to /etc/ostler/hooks', FILE, 'file name'),
  customize: optional(
    matching('a program that is run inside at last, as root', '', FILE, 'file name without blanks'),
  ),
  locale: matching(
    'language of the system',
    'C.UTF-8',
    /^(?:C\.UTF-8|[a-z]{2,3}_[A-Z]{2}(?:@[a-z]+)?\.UTF-8)$/,
    'locale such as de_DE.UTF-8',
  ),
  timezone: {
    ...text('such as Europe/Madrid', 'Etc/UTC'),
    parse: (value: string): string => {
      if (!isTimeZone(value)) throw new Error('is no time zone')
      return value
    },
  },
  dns: {
    ...words(
      "name servers of the desktops; the node's address in their network is one",
      /^[0-9A-Fa-f:.]+$/,
      'address',
    ),
    default: '10.3.15.1',
  },
  'disk.size': integer('MB of the disk of a machine', 10_240, 1_024, 1_048_576),
  compress: oneOf('of a tarball; a node needs the program', ['gzip', 'zstd', 'xz', 'none'], 'gzip'),
} as const

/** What is to be built. */
export interface Recipe {
  readonly file: string
  readonly values: Values<typeof RECIPE_OPTIONS>
  readonly suite: string
  readonly mirror: string
  readonly components: readonly string[]
  readonly keyring: string
  /** Paths of this machine, absolute. */
  readonly agent: string | undefined
  readonly files: string | undefined
  readonly customize: string | undefined
  readonly hooks: readonly string[]
  /** Keys of `vma.conf` that the recipe sets, each with its value. */
  readonly agentKeys: readonly (readonly [key: string, value: string])[]
}

/**
 * Reads a recipe. Files that it names are relative to its own folder.
 *
 * @param agent another `ostler-vma_*.deb` than the recipe's, relative to the working folder.
 * @throws Fault `recipe.invalid` with every problem, each with its line.
 */
export function readRecipe(file: string, agent?: string): Recipe {
  const folder = dirname(resolve(file))
  const config = load(file)
  const { values } = config
  const distribution = DISTRIBUTIONS[values.distribution]
  const at = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolve(folder, path)
  const mirror = (values.mirror ?? distribution.mirror).replace(/\/+$/, '')
  const agentKeys = Object.keys(AGENT_OPTIONS)
    .filter((key) => config.origin(key as keyof typeof AGENT_OPTIONS) !== 'default')
    .map((key) => [key, config.text(key as keyof typeof AGENT_OPTIONS)] as const)
  const recipe: Recipe = {
    ...{ file: resolve(file), values, mirror, agentKeys },
    suite: values.suite ?? distribution.suite,
    components: values.components.length > 0 ? values.components : distribution.components.split(' '),
    keyring: values.keyring ?? distribution.keyring,
    agent: agent === undefined ? at(values.agent) : resolve(agent),
    files: at(values.files),
    customize: at(values.customize),
    hooks: values.hooks.map((hook) => resolve(folder, hook)),
  }
  const problems = [...config.warnings, ...missing(recipe), ...unknownHooks(recipe)]
  if (problems.length > 0) throw invalid(file, problems)
  return recipe
}

/** Lines of `sources.list`, for the build and for whoever updates the image later. */
export function sourcesOf(recipe: Recipe): string[] {
  const { values, mirror, suite, components, keyring } = recipe
  const more = values.updates ? DISTRIBUTIONS[values.distribution].updates(suite, mirror) : []
  return [{ mirror, suite }, ...more].map(
    (each) => `deb [signed-by=${keyring}] ${each.mirror} ${each.suite} ${components.join(' ')}`,
  )
}

/** Every Debian package that the recipe asks for, in the order in which it is read. */
export function packagesOf(recipe: Recipe, parts: Readonly<Record<string, readonly string[]>>): string[] {
  const { values } = recipe
  return [...new Set([...Object.values(parts).flat(), ...ENVIRONMENTS[values.desktop], ...values.packages])]
}

function load(file: string) {
  try {
    return loadConfig({ ...AGENT_OPTIONS, ...RECIPE_OPTIONS }, [{ path: file, required: true }])
  } catch (error) {
    if (error instanceof ConfigError) throw invalid(file, error.problems)
    throw error
  }
}

/** Files that are named and are not there. */
function missing({ agent, files, customize, hooks, keyring, values }: Recipe): string[] {
  const named = [
    ...[{ key: 'agent', path: agent, isRight: isFile }],
    ...[{ key: 'files', path: files, isRight: isFolder }],
    ...[{ key: 'customize', path: customize, isRight: isFile }],
    ...hooks.map((path) => ({ key: 'hooks', path, isRight: isFile })),
  ]
  const absent = named
    .filter(({ path, isRight }) => path !== undefined && !isRight(path))
    .map(({ key, path }) => `${key}: there is no ${path ?? ''}`)
  const noKeys = isFile(keyring)
    ? []
    : [
        `keyring: there is no ${keyring}: apt-get install ${DISTRIBUTIONS[values.distribution].keyringPackage}`,
      ]
  const noAgent =
    values.format === 'kvm' && agent === undefined
      ? ['agent must be set for a machine: a node lends its own to containers alone']
      : []
  return [...absent, ...noKeys, ...noAgent]
}

/** Hooks of the agent's that would lie in our folder, and that nobody puts there. */
function unknownHooks({ agentKeys, hooks }: Recipe): string[] {
  const brought = hooks.map((hook) => `${HOOK_FOLDER}/${basename(hook)}`)
  return agentKeys
    .filter(([, value]) => value.startsWith(`${HOOK_FOLDER}/`) && !brought.includes(value))
    .map(([key, value]) => `${key}: hooks does not bring ${value}`)
}

/** Where hooks of the recipe are in the image. */
export const HOOK_FOLDER = '/etc/ostler/hooks'

function invalid(file: string, problems: readonly string[]): Fault {
  return new Fault('recipe.invalid', { recipe: file, problems: problems.join('; ') })
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}
