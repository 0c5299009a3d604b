import { AGENT_OPTIONS } from '@ostler/agent/config/options.ts'
import { ACTION_HOOKS, PROVISIONING_HOOKS, STATE_HOOKS } from '@ostler/agent/hooks/hook-table.ts'
import { CLIENT_OPTIONS } from '@ostler/client/config/options.ts'
import { PERMISSIONS } from '@ostler/contract/administrators.ts'
import { FAULT_CODES } from '@ostler/contract/fault.ts'
import { COMMANDS as IMAGE_COMMANDS } from '@ostler/image/commands.ts'
import { readRecipe, RECIPE_OPTIONS } from '@ostler/image/recipe.ts'
import { NODE_OPTIONS } from '@ostler/proxy/wiring/node-config.ts'
import { MAPPED } from '@ostler/proxy/wiring/qvd-keys/mapped.ts'
import { UNHEEDED } from '@ostler/proxy/wiring/qvd-keys/unheeded.ts'
import { OBJECTS } from '@ostler/qa/commands.ts'
import { TUNNEL_ACTIONS } from '@ostler/qa/tunnel/commands.ts'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const EXAMPLES = join(ROOT, 'hooks-examples')
const PATHS = [
  ...readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
  ...readdirSync(join(ROOT, 'docs/decisions')).map((file) => `docs/decisions/${file}`),
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'hooks-examples/README.md'],
]
const PAGES = PATHS.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))

/** Those of the tables whose names have a dot: one word alone may be anything. */
const KEYS = new Set(
  [
    ...[AGENT_OPTIONS, CLIENT_OPTIONS, NODE_OPTIONS, RECIPE_OPTIONS, MAPPED].flatMap((table) =>
      Object.keys(table),
    ),
    ...UNHEEDED.flatMap(({ keys }) => Object.keys(keys)),
    ...[...FAULT_CODES, ...PERMISSIONS],
  ].filter((key) => key.includes('.')),
)
const FAMILIES = new Set([...KEYS].map((key) => key.split('.')[0]))
const FILE_NAME = /\.(?:conf|key|cjs|exe|ts|json|pem|log|txt)$/
/** Words with dots that look like keys, and what they are. */
const NO_KEYS: Readonly<Record<string, string>> = {
  'home.limit': 'a property that an example of a hook reads',
  'home.set': 'the end of auth.ldap.home.set, on a page about auth.ldap',
  'vm.expiration.soft': 'an argument of the hook expire',
  'vm.expiration.hard': 'an argument of the hook expire',
  'l7r.auth.plugin.totp.secret32': 'a property of a user',
  'client.auth_env.share.list': 'a family of keys, with a number each',
  'client.auth_env.share.list.N': 'a family of keys, with a number each',
  'client.auth_env_share.list.N': 'a family of keys, with a number each',
  ...Object.fromEntries(
    [
      'share.N',
      'share.0',
      'share.1',
      'mount.N',
      ...['N', '0'].flatMap((n) => [`mount.${n}.remote`, `mount.${n}.local`]),
    ].map((key) => [`client.${key}`, 'of a family of keys, with a number each']),
  ),
  'command.gsprint': "a key of QVD's client alone",
  'command.ghostscript': "a key of QVD's client alone",
  'config.os': "a key of QVD's, in prose",
}

/** What stands in a page as code: spans, and blocks that are fenced. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```\w*\n([^]*?)^ *```/gm)].map(([, code = '']) => code)
  const spans = [...text.replaceAll(/^ *```[^]*?^ *```/gm, '').matchAll(/`([^`\n]+)`/g)]
  return [...blocks, ...spans.map(([, code = '']) => code)]
}

test('every key and code in a page is one of the tables', () => {
  // Decisions name columns of the database.
  const pages = PAGES.filter(({ path }) => !path.startsWith('docs/decisions/'))
  const unknown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/`([a-z][\w-]*(?:\.[\w-]+)+)`/g)]
      .map(([, token = '']) => token)
      .filter((token) => FAMILIES.has(token.split('.')[0] ?? '') && !FILE_NAME.test(token))
      .filter((token) => !KEYS.has(token) && !Object.hasOwn(NO_KEYS, token))
      .map((token) => `${path}: ${token}`),
  )
  expect(unknown).toEqual([])
})

test('every hook of the agent is in the guide for their authors, and no other', () => {
  const guide = readFileSync(join(ROOT, 'docs/hooks.md'), 'utf8')
  const told = new Set<string>()
  for (const [, first = '', more = ''] of guide.matchAll(/`(vma\.on_\w+\.[\w-]+)`((?: `\.\w+`)*)/g)) {
    told.add(first)
    for (const [, last = ''] of more.matchAll(/`\.(\w+)`/g)) told.add(first.replace(/\w+$/, last))
  }
  const hooks = [ACTION_HOOKS, PROVISIONING_HOOKS, STATE_HOOKS].flatMap((table) =>
    Object.values<{ key: string }>(table).map(({ key }) => key),
  )
  expect([...told].sort()).toEqual(hooks.sort())
})

test('every example of a hook is in its list, and there is one for every hook', () => {
  const list = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  const examples = readdirSync(EXAMPLES).filter((file) => file !== 'README.md')
  expect([...list.matchAll(/^\| \[`([\w-]+)`\]/gm)].map(([, name]) => name).sort()).toEqual(examples.sort())
  expect(list).toMatch(/^\| \[`session-log`\].*\| any +\|/m)
})

test('every command of qa in a page is one', () => {
  const actions = { ...OBJECTS, vm: [...(OBJECTS['vm'] ?? []), ...TUNNEL_ACTIONS] }
  const commands = PAGES.flatMap(({ path, text }) =>
    codeOf(text).flatMap((code) =>
      [...code.matchAll(/(?:^|[\s(])qa +([a-z]\S*)(?: +([a-z][\w|-]*))?/gm)].map(
        ([, object = '', words = '']) => ({
          path,
          object,
          words: words.split('|').filter(Boolean),
        }),
      ),
    ),
  )
  expect(commands.length).toBeGreaterThan(100)
  const unknown = commands.filter(({ object, words }) => {
    if (['login', 'logout'].includes(object)) return false
    const known: readonly string[] | undefined = Object.entries(actions).find(
      ([name]) => name === object,
    )?.[1]
    return (
      object.split('|').some((each) => !Object.hasOwn(actions, each)) ||
      (known !== undefined && words.some((word) => !known.includes(word)))
    )
  })
  expect(unknown).toEqual([])
})

test('every command of ostler-image is in its guide, and no other', () => {
  const guide = readFileSync(join(ROOT, 'docs/image-builder.md'), 'utf8')
  const pages = [guide, readFileSync(join(ROOT, 'docs/convert-machine.md'), 'utf8')]
  const used = pages.flatMap(codeOf).flatMap((code) => [...code.matchAll(/^ *ostler-image +([a-z]+)/gm)])
  expect([...new Set(used.map(([, command]) => command))].sort()).toEqual(
    [...Object.keys(IMAGE_COMMANDS), 'recipe'].sort(),
  )
})

test('the recipes of the guide can be read', () => {
  const guide = readFileSync(join(ROOT, 'docs/image-builder.md'), 'utf8')
  // What is typed, and what is shown.
  const recipes = [...guide.matchAll(/^(?:cat >\S+\.conf <<'END'|```ini)\n(name = [^]*?)^(?:END|```)/gm)].map(
    ([, text = '']) => text.replace('/usr/share/ostler/hooks-examples', EXAMPLES),
  )
  expect(recipes.map((text) => text.split('\n')[0])).toEqual(['name = studio', 'name = office-machine'])
  const folder = mkdtempSync(join(tmpdir(), 'ostler-guide-'))
  try {
    mkdirSync(join(folder, 'files'))
    for (const file of ['ostler-vma_0.1.0_amd64.deb', 'keys.gpg']) writeFileSync(join(folder, file), '')
    for (const [index, text] of recipes.entries()) {
      const file = join(folder, `${index}.conf`)
      writeFileSync(file, `${text}keyring = ${folder}/keys.gpg\n`)
      expect(readRecipe(file).values.name).toMatch(/^studio$|^office-machine$/)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('every page that another one names is there', () => {
  const broken = PAGES.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path}: ${target}`),
  )
  expect(broken).toEqual([])
})

test('every page can be found from the first one', () => {
  const linked = (from: string, seen: Set<string>): void => {
    const text = PAGES.find(({ path }) => path === from)?.text ?? ''
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#\s]+\.md)(?:#[^)]*)?\)/g)) {
      const path = join(dirname(from), target)
      if (seen.has(path)) continue
      seen.add(path)
      linked(path, seen)
    }
  }
  const found = new Set<string>()
  linked('README.md', found)
  expect(found.size).toBeGreaterThan(30)
  expect(PATHS.filter((path) => /^docs\/[^/]+$/.test(path) && !found.has(path))).toEqual([])
})
