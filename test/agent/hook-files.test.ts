import { chmodSync, chownSync, lchownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Guest, recorder, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'

/** The folder of the hooks, and the one that these tests are about: `expire` runs it without a session. */
const HOOKS = '/etc/ostler/hooks'
const HOOK = `${HOOKS}/expire`
const SOMEBODY = 4242

let guest: Guest

beforeAll(async () => {
  guest = await startGuest({
    plain: true,
    config: [`vma.on_action.expire = ${HOOK}`, 'vma.on_action.poweroff = hooks/poweroff'],
  })
})
afterAll(async () => await guest[Symbol.asyncDispose]())

beforeEach(() => {
  makeFolder(HOOKS, 0o755)
  writeFileSync(guest.path(HOOK), recorder(), { mode: 0o755 })
})
afterEach(async () => {
  await guest.inside('sh', '-c', `rm -rf ${HOOKS} /run/calls /srv/*`)
})

function makeFolder(path: string, mode: number, uid = 0): void {
  mkdirSync(guest.path(path))
  chmodSync(guest.path(path), mode)
  chownSync(guest.path(path), uid, uid)
}

function makeLink(place: string, target: string): void {
  symlinkSync(target, guest.path(place))
}

async function move(from: string, to: string): Promise<void> {
  await guest.inside('mv', from, to)
}

async function untilLogged(text: string): Promise<void> {
  await until(`the log to tell "${text}"`, () => guest.read('/var/log/ostler/qvd.log').includes(text))
}

type Case = readonly [string, string, () => void | Promise<void>]

const REFUSED: readonly Case[] = [
  [
    "another user's",
    `${HOOK} belongs to user ${SOMEBODY}, not to root`,
    () => chownSync(guest.path(HOOK), SOMEBODY, 0),
  ],
  [
    'writable for a group',
    `${HOOK} can be written to by others than root`,
    () => {
      chownSync(guest.path(HOOK), 0, SOMEBODY)
      chmodSync(guest.path(HOOK), 0o775)
    },
  ],
  [
    'writable for everybody',
    `${HOOK} can be written to by others than root`,
    () => chmodSync(guest.path(HOOK), 0o757),
  ],
  [
    'in a folder that is writable for everybody',
    `${HOOKS} can be written to by others than root`,
    () => chmodSync(guest.path(HOOKS), 0o777),
  ],
  [
    "in another user's folder",
    `${HOOKS} belongs to user ${SOMEBODY}, not to root`,
    () => chownSync(guest.path(HOOKS), SOMEBODY, 0),
  ],
  [
    'a link into a writable folder',
    '/srv/open can be written to by others than root',
    async () => {
      makeFolder('/srv/open', 0o777)
      await move(HOOK, '/srv/open/hook')
      makeLink(HOOK, '/srv/open/hook')
    },
  ],
  [
    "a link to another user's file",
    `/srv/hook belongs to user ${SOMEBODY}, not to root`,
    async () => {
      await move(HOOK, '/srv/hook')
      chownSync(guest.path('/srv/hook'), SOMEBODY, SOMEBODY)
      makeLink(HOOK, '../../../srv/hook')
    },
  ],
  [
    "another user's link",
    `${HOOK} belongs to user ${SOMEBODY}, not to root`,
    async () => {
      await move(HOOK, '/srv/hook')
      makeLink(HOOK, '/srv/hook')
      lchownSync(guest.path(HOOK), SOMEBODY, SOMEBODY)
    },
  ],
  [
    'a link to a link in a writable folder',
    '/srv/open can be written to by others than root',
    async () => {
      await move(HOOK, '/srv/hook')
      makeFolder('/srv/open', 0o777)
      makeLink('/srv/open/link', '/srv/hook')
      makeLink(HOOK, '/srv/open/link')
    },
  ],
  [
    "in a folder that is reached through another user's folder",
    `/srv/hers belongs to user ${SOMEBODY}, not to root`,
    async () => {
      await move(HOOKS, '/srv/hooks')
      makeFolder('/srv/hers', 0o755, SOMEBODY)
      makeLink('/srv/hers/hooks', '/srv/hooks')
      makeLink(HOOKS, '/srv/hers/hooks')
    },
  ],
  ['missing', 'there is no such file', () => rmSync(guest.path(HOOK))],
  [
    'a link to nothing',
    'there is no such file',
    () => {
      rmSync(guest.path(HOOK))
      makeLink(HOOK, '/srv/nothing')
    },
  ],
  [
    'a link to itself',
    'ELOOP: too many symbolic links encountered',
    () => {
      rmSync(guest.path(HOOK))
      makeLink(HOOK, HOOK)
    },
  ],
  [
    'a folder',
    'it is not a file',
    () => {
      rmSync(guest.path(HOOK))
      makeFolder(HOOK, 0o755)
    },
  ],
  ['not executable', 'it is not executable', () => chmodSync(guest.path(HOOK), 0o644)],
]

const ACCEPTED: readonly (readonly [string, () => void | Promise<void>])[] = [
  ["root's alone", () => chmodSync(guest.path(HOOK), 0o700)],
  ["writable for root's group", () => chmodSync(guest.path(HOOK), 0o775)],
  [
    'a link to a file of root',
    async () => {
      await move(HOOK, '/srv/hook')
      makeLink(HOOK, '/srv/hook')
    },
  ],
  [
    'in a folder that is reached through links of root',
    async () => {
      await move(HOOKS, '/srv/hooks')
      makeLink('/srv/link', './hooks')
      makeLink(HOOKS, '../../srv/../srv/link')
    },
  ],
  [
    // There the system lets nobody else exchange it.
    'in a sticky folder',
    async () => {
      makeFolder('/srv/sticky', 0o1777)
      await move(HOOK, '/srv/sticky/hook')
      makeLink(HOOK, '/srv/sticky/hook')
    },
  ],
]

describe('a hook', () => {
  test.each(REFUSED)('is not run when it is %s, and the reason is told', async (_, reason, change) => {
    await change()
    const { error } = await guest.simple('expire')
    expect(error?.startsWith(`hook ${HOOK} for expire is not run: ${reason}`), error).toBe(true)
    expect(error).toMatch(/ \[hook\.refused\]$/)
    expect(guest.hookCalls()).toEqual([])
  })

  test.each(ACCEPTED)('is run when it is %s', async (_, change) => {
    await change()
    expect((await guest.simple('expire')).error).toBeUndefined()
    expect(guest.hookWords()).toEqual(['expire'])
  })

  test('has an absolute path: what is not run prevents what it is for', async () => {
    await guest.simple('poweroff')
    await untilLogged('hook hooks/poweroff for poweroff is not run: it is not an absolute path')
    expect(await guest.state()).toBe('stopped')
  })

  test('without its interpreter tells that it could not be started', async () => {
    writeFileSync(guest.path(HOOK), '#!/no/such/shell\n')
    const { error } = await guest.simple('expire')
    expect(error).toContain(`hook ${HOOK} for expire failed`)
    await untilLogged(`${HOOK} could not be started`)
  })
})
