import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readRecipe, sourcesOf } from './recipe.ts'

const SHIPPED = join(import.meta.dirname, '../recipes')

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-recipe-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A recipe that can be built, with more lines. */
function recipe(...lines: string[]): string {
  const file = join(folder, 'office.conf')
  writeFileSync(join(folder, 'keys.gpg'), '')
  writeFileSync(file, ['name = office', `keyring = ${folder}/keys.gpg`, ...lines, ''].join('\n'))
  return file
}

test('a name is enough, and everything else has a default', () => {
  const read = readRecipe(recipe())
  expect(read).toMatchObject({ suite: 'bookworm', components: ['main'], agent: undefined, agentKeys: [] })
  expect(read.values).toMatchObject({ format: 'lxc', desktop: 'none', locale: 'C.UTF-8', recommends: false })
  expect(sourcesOf(read).map((line) => line.replace(/\[.*?\] /, ''))).toEqual([
    'deb http://deb.debian.org/debian bookworm main',
    'deb http://deb.debian.org/debian bookworm-updates main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
  ])
})

test('keys of vma.conf stand beside those of the recipe, and only those that it sets count', () => {
  const { agentKeys } = readRecipe(recipe('vma.audio.enable = 1', 'path.log = /var/log/${name}'))
  expect(agentKeys).toEqual([
    ['path.log', '/var/log/office'],
    ['vma.audio.enable', '1'],
  ])
})

test('files of a recipe are looked for beside it', () => {
  mkdirSync(join(folder, 'files'))
  for (const file of ['connect', 'finish']) writeFileSync(join(folder, file), '#!/bin/sh\n')
  const read = readRecipe(
    recipe(
      ...['files = files', 'customize = finish', 'hooks = connect'],
      'vma.on_action.connect = /etc/ostler/hooks/connect',
    ),
  )
  expect(read).toMatchObject({ files: join(folder, 'files'), hooks: [join(folder, 'connect')] })
})

test('everything that is wrong is told at once, with its line', () => {
  const bad = recipe('timezone = Europe/Atlantis', 'locale = german', 'suite = Bookworm!', 'format = vmware')
  const told = thrownBy(() => readRecipe(bad))
  for (const line of [':3: timezone', ':4: locale', ':5: suite', ':6: format']) expect(told).toContain(line)
})

test.each([
  ['a key that nobody knows', ['packges = vim'], 'did you mean "packages"?'],
  ['a file that is not there', ['customize = finish'], 'customize: there is no '],
  ['a hook that nobody brings', ['vma.on_action.stop = /etc/ostler/hooks/stop'], 'hooks does not bring'],
  ['a machine without an agent', ['format = kvm'], 'agent must be set for a machine'],
  ['a word that is an option to apt', ['packages = vim --force-yes'], 'has "--force-yes"'],
  [
    'a key of the agent with a wrong value',
    ['vma.audio.enable = loud'],
    'vma.audio.enable is neither 0 nor 1',
  ],
])('%s is refused', (_, lines, sentence) => {
  expect(thrownBy(() => readRecipe(recipe(...lines)))).toContain(sentence)
})

test.each(readdirSync(SHIPPED))('the recipe %s that comes with it can be read', (file) => {
  const read = readRecipe(join(SHIPPED, file))
  expect(read.values.name).toBe(file.replace('.conf', ''))
  expect(read.values.desktop).toBe(read.values.name)
})

function thrownBy(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return String(error)
  }
  throw new Error('nothing was refused')
}
