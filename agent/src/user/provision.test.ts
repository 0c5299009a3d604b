import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProvisioningHook } from '../hooks/hook-table.ts'
import type { UserRequest } from './account.ts'
import { provision, type ProvisionParts } from './provision.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-provision-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const PAIRS = [['qvd.vm.user.name', 'ann']] as const

function requestOf(home: string): UserRequest {
  return { name: 'ann', uid: undefined, gid: undefined, group: 'ann', groups: [], home, shell: '/bin/sh' }
}

interface Desktop {
  /** The account that is there already. */
  readonly known?: Account
  /** What the tools of the system, or the hook `add_user`, make of a request; nothing: no account. */
  readonly makes?: Partial<Account> | 'nothing'
  /** Hooks that are configured, and how they end. */
  readonly hooks?: Partial<Record<ProvisioningHook, 'succeeds' | 'fails'>>
  readonly fails?: 'mountHomes' | 'create' | 'settleHome'
}

/** A desktop that writes down what is done to it, in order. */
function desktop({ known, makes = {}, hooks = {}, fails }: Desktop) {
  const done: string[] = []
  let account = known
  const home = join(folder, 'ann')
  const fail = (what: string): void => {
    if (fails === what) throw new Fault('session.failed', { reason: `${what} failed` })
  }
  const make = (): void => {
    if (makes !== 'nothing') account = { name: 'ann', uid: 4711, gid: 4711, home, shell: '/bin/sh', ...makes }
  }
  const parts: ProvisionParts = {
    accounts: {
      find: async () => account,
      create: async (request) => {
        done.push(`create ${request.name}`)
        fail('create')
        make()
        return { warnings: ['a group is missing'], undo: async () => void done.push('undo') }
      },
    },
    hook: async (name, pairs) => {
      const end = hooks[name]
      if (end === undefined) return false
      done.push(`hook ${name} ${pairs.flat().join(' ')}`)
      if (end === 'fails') throw new Fault('hook.failed', { file: '/hook', name, rc: 3, said: 'no' })
      if (name === 'add_user') make()
      return true
    },
    mountHomes: async () => {
      done.push('mountHomes')
      fail('mountHomes')
    },
    settleHome: ({ name }) => {
      done.push(`settleHome ${name}`)
      fail('settleHome')
    },
  }
  const onWork = (): void => void done.push('work')
  const signal = new AbortController().signal
  return { done, provision: () => provision(parts, requestOf(home), PAIRS, onWork, signal) }
}

function annAt(home: string, more: Partial<Account> = {}): Account {
  return { name: 'ann', uid: 4711, gid: 4711, home, shell: '/bin/bash', ...more }
}

/** A home that is there. */
function madeHome(): string {
  const home = join(folder, 'ann')
  mkdirSync(home)
  return home
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
  if (error instanceof Fault) return error.code
  throw error
}

describe('an account that is there', () => {
  test('with a home takes no work, and no hook', async () => {
    const known = annAt(madeHome())
    const { done, provision } = desktop({ known, hooks: { mount_home: 'succeeds', add_user: 'succeeds' } })
    expect(await provision()).toEqual({ account: known, warnings: [] })
    expect(done).toEqual(['settleHome ann'])
  })

  test('without its home gets the disk of the homes, and the home that its account names', async () => {
    madeHome()
    const { done, provision } = desktop({ known: annAt(join(folder, 'elsewhere')) })
    await provision()
    expect(done).toEqual(['work', 'mountHomes', 'settleHome ann'])
  })

  test('without its home gets it from the hook, if there is one, and no disk', async () => {
    const { done, provision } = desktop({
      known: annAt(join(folder, 'ann')),
      hooks: { mount_home: 'succeeds' },
    })
    await provision()
    expect(done).toEqual(['work', 'hook mount_home qvd.vm.user.name ann', 'settleHome ann'])
  })

  test('of the system, with the number 0, is refused before anything is done', async () => {
    const { done, provision } = desktop({ known: annAt(join(folder, 'ann'), { uid: 0 }) })
    expect(await codeOf(provision())).toBe('session.user')
    expect(done).toEqual([])
  })
})

describe('an account that is missing', () => {
  test('is made in the order of QVD: home, account, after; and the work is told once', async () => {
    const { done, provision } = desktop({ hooks: { after_add_user: 'succeeds' } })
    const { account, warnings } = await provision()
    expect(account).toMatchObject({ name: 'ann', uid: 4711 })
    expect(warnings).toEqual(['a group is missing'])
    expect(done).toEqual([
      'work',
      'mountHomes',
      'create ann',
      'settleHome ann',
      'hook after_add_user qvd.vm.user.name ann',
    ])
  })

  test('whose home outlived it gets no disk', async () => {
    madeHome()
    const { done, provision } = desktop({})
    await provision()
    expect(done).toEqual(['work', 'create ann', 'settleHome ann'])
  })

  test('is left to the hook, if there is one: nothing is made besides', async () => {
    const { done, provision } = desktop({ hooks: { add_user: 'succeeds', after_add_user: 'succeeds' } })
    expect(await provision()).toMatchObject({ account: { name: 'ann' }, warnings: [] })
    expect(done.filter((step) => !step.startsWith('hook'))).toEqual(['work', 'mountHomes', 'settleHome ann'])
    expect(done.filter((step) => step.startsWith('hook'))).toHaveLength(2)
  })

  test.each([
    ['with a hook that makes none', { makes: 'nothing', hooks: { add_user: 'succeeds' } }, 'session.user'],
    ['with a hook that fails', { hooks: { add_user: 'fails' } }, 'hook.failed'],
    ['with tools that fail', { fails: 'create' }, 'session.failed'],
    ['without its disk', { fails: 'mountHomes' }, 'session.failed'],
    ['when the hook for the home fails', { hooks: { mount_home: 'fails' } }, 'hook.failed'],
  ] as const)('%s ends in a fault with nothing to undo', async (_, settings, code) => {
    const { done, provision } = desktop(settings)
    expect(await codeOf(provision())).toBe(code)
    expect(done).not.toContain('undo')
    expect(done).not.toContain('settleHome ann')
  })

  test.each([
    ['the hook after it fails', { hooks: { after_add_user: 'fails' } }, 'hook.failed'],
    ['its home cannot be settled', { fails: 'settleHome' }, 'session.failed'],
    ['it came out as the account of the system', { makes: { uid: 0 } }, 'session.user'],
    ['it cannot be found afterwards', { makes: 'nothing' }, 'session.user'],
  ] as const)('that was made is gone again when %s', async (_, settings, code) => {
    const { done, provision } = desktop(settings)
    expect(await codeOf(provision())).toBe(code)
    expect(done.at(-1)).toBe('undo')
  })

  test('that a hook made stays, as in QVD, when the hook after it fails', async () => {
    const { done, provision } = desktop({ hooks: { add_user: 'succeeds', after_add_user: 'fails' } })
    expect(await codeOf(provision())).toBe('hook.failed')
    expect(done).not.toContain('undo')
  })
})
