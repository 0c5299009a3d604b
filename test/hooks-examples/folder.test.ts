import { run } from '@ostler/kit/run.ts'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXAMPLES } from '../fixtures/hook-call.ts'
import { SealedRoom } from '../fixtures/sealed-room.ts'

/** The keys of QVD's `vma.conf` for hooks, without those that it never runs. */
const KEYS = [
  ...['pre-connect', 'connect', 'suspend', 'stop', 'poweroff', 'expire'].map(
    (name) => `vma.on_action.${name}`,
  ),
  ...['connected', 'suspended', 'disconnected'].map((name) => `vma.on_state.${name}`),
  ...['mount_home', 'add_user', 'after_add_user'].map((name) => `vma.on_provisioning.${name}`),
]

const SCRIPTS = readdirSync(EXAMPLES).filter((name) => name !== 'README.md')
const source = (name: string): string => readFileSync(join(EXAMPLES, name), 'utf8')
const README = source('README.md')
const TESTS = readdirSync(import.meta.dirname)
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  .join('')

/** What a script says of itself at its beginning, `key`, `properties` …: each with its further lines. */
function header(name: string): Record<string, string> {
  const said: Record<string, string> = {}
  let last = ''
  for (const line of source(name).split('\n').slice(1, 20)) {
    const [, word, rest] = /^#? {2,3}(?:(key|properties|needs) +|  +)(\S.*)$/.exec(line) ?? []
    if (rest === undefined) continue
    last = word ?? last
    said[last] = `${said[last] ?? ''}${rest}\n`
  }
  return said
}

describe.each(SCRIPTS)('%s', (name) => {
  const line = README.split('\n').find((text) => text.startsWith(`| [\`${name}\`](${name}) `)) ?? ''
  const [, , key = '', , properties = ''] = line.split('|').map((cell) => cell.trim())

  test('can be executed by everybody, and written by its owner alone', () => {
    expect(statSync(join(EXAMPLES, name)).mode & 0o755).toBe(0o755)
  })

  test('says which key it serves, and so does its line in the README', () => {
    const said = header(name)['key'] ?? ''
    if (key === 'any') expect(said).toMatch(/^any;/)
    else expect(KEYS.map((known) => `\`${known}\``)).toContain(key)
    if (key !== 'any') expect(`\`${said.trim()}\``).toBe(key)
  })

  test('reads the properties that it and the README name', () => {
    const named = [...properties.matchAll(/`([^`]+)`/g)].map(([, property = '']) => property)
    const said = [...(header(name)['properties'] ?? '').matchAll(/^([a-z.]+)=/gm)].map(
      ([, property]) => property,
    )
    expect([...new Set(said)]).toEqual(named)
    for (const property of named) expect(source(name)).toMatch(new RegExp(`value_of.*['" ]?${property}`))
  })

  test('is executed by a test', () => {
    expect(TESTS).toMatch(new RegExp(`on(Action|State|Provisioning)\\(\\s*room,\\s*'${name}'`))
  })
})

test('every line of the README is of a script', () => {
  const named = [...README.matchAll(/^\| \[`([^`]+)`\]/gm)].map(([, name]) => name)
  expect(named.toSorted()).toEqual(SCRIPTS.toSorted())
})

test('shellcheck has nothing to say', async () => {
  const shell = SCRIPTS.filter((name) => source(name).startsWith('#!/bin/sh\n'))
  const { stdout } = await run(
    '/usr/bin/shellcheck',
    shell.map((name) => join(EXAMPLES, name)),
  )
  expect(stdout).toBe('')
})

test('what the scripts have in common is the same in all', () => {
  const variants = new Map<string, Set<string>>()
  for (const name of SCRIPTS)
    for (const [block, title = ''] of source(name).matchAll(
      /^(die|value_of|find_account|as_user|skip)\(\) \{\n[^]*?^\}\n/gm,
    ))
      // `skip` says what is left out.
      if (title !== 'skip') variants.set(title, (variants.get(title) ?? new Set()).add(block))
  expect([...variants].map(([title, blocks]) => [title, blocks.size])).toEqual([
    ['die', 1],
    ['value_of', 1],
    ['find_account', 1],
    ['as_user', 1],
  ])
})

test('what is done in a room never reaches the machine', async () => {
  const machine = '/srv/left-behind'
  {
    await using room = await SealedRoom.open()
    await room.addUser('room-test', 4242)
    await room.shell(`echo >${machine}; ip link add room-test type bridge; mount -t tmpfs room-test /opt`)
    room.start('room-test', 'sleep', ['424242'])
    await room.until('sleep', () => room.shell('pgrep -u room-test sleep'))
    expect(existsSync(machine)).toBe(false)
    expect(readFileSync('/etc/passwd', 'utf8')).not.toContain('room-test')
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toMatch(/ (room|room-test) rw/)
    expect((await run('/usr/sbin/ip', ['-oneline', 'link'])).stdout).not.toContain('room-test')
  }
  await expect(run('/usr/bin/pgrep', ['-f', '^sleep 424242$'])).rejects.toThrow('exited with 1')
})
