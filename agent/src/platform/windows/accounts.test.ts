import { Fault } from '@ostler/contract/fault.ts'
import { beforeEach, expect, test } from 'vitest'
import type { UserRequest } from '../../user/account.ts'
import { windowsAccounts } from './accounts.ts'
import { ScriptedWindows } from './scripted-windows.ts'

const ANN: UserRequest = {
  name: 'ann',
  uid: undefined,
  gid: undefined,
  group: 'ann',
  groups: ['qvduser', 'scanner'],
  home: '/home/ann',
  shell: '/bin/bash',
}

let windows: ScriptedWindows
beforeEach(() => {
  windows = new ScriptedWindows()
})

const find = (name: string) => windowsAccounts(windows.tools).find(name)
const create = (request = ANN) => windowsAccounts(windows.tools).create(request)

async function reason(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((error: unknown) => error)
  if (!(error instanceof Fault) || error.code !== 'session.user')
    throw new Error('no such fault', { cause: error })
  return error.message
}

test('who is not there is not found', async () => {
  expect(await find('ann')).toBeUndefined()
})

test('an account is made with the groups that are there, and found', async () => {
  const { warnings } = await create()
  expect(warnings).toEqual(['the group scanner does not exist in this desktop'])
  expect(windows.users.at(-1)?.groups).toEqual(['S-1-5-32-545', 'S-1-5-32-555', 'qvduser'])
  expect(await find('ann')).toEqual({
    name: 'ann',
    uid: 1_005,
    gid: 545,
    home: 'C:\\Users\\ann',
    shell: 'explorer.exe',
  })
})

test('a group of her own name is none; another primary group is joined like the rest', async () => {
  await create({ ...ANN, group: 'ANN', groups: [] })
  expect(windows.users.at(-1)?.groups).toHaveLength(2)
  await create({ ...ANN, name: 'bob', group: 'qvduser', groups: [] })
  expect(windows.users.at(-1)?.groups).toContain('qvduser')
})

test('her home is where her profile is', async () => {
  await create()
  const ann = windows.users.at(-1)
  if (ann !== undefined) ann.profile = 'C:\\Users\\ann.DESKTOP-1'
  expect(await find('ANN')).toMatchObject({ name: 'ANN', home: 'C:\\Users\\ann.DESKTOP-1' })
})

test('nothing that varies is in argv or in the script, and no two passwords are alike', async () => {
  await create()
  await create({ ...ANN, name: 'bob' })
  const secrets = windows.calls.map(({ input }) => input.split('\n')[1] ?? '')
  expect(new Set(secrets).size).toBe(2)
  for (const { args, input } of windows.calls) {
    expect(args.join('\n')).not.toMatch(/ann|bob|qvduser/)
    expect(input.split('\n')[0]).not.toContain(secrets[0])
    expect(input).toMatch(/^[\x00-\x7f]*$/)
  }
})

test('a name of any script is told in ASCII', async () => {
  await create({ ...ANN, name: 'zoë' })
  expect(windows.calls[0]?.input).toContain(String.raw`zo\u00eb`)
  expect(await find('zoë')).toBeDefined()
})

test('what was made is gone after undo, and nothing else', async () => {
  const before = windows.users.map(({ name }) => name)
  const { undo } = await create()
  await create({ ...ANN, name: 'bob' })
  await undo()
  expect(windows.users.map(({ name }) => name)).toEqual([...before, 'bob'])
})

test('an account that was there before is neither changed nor removed', async () => {
  await create()
  expect(await reason(create({ ...ANN, name: 'Ann' }))).toContain('already exists')
  expect(await find('ann')).toBeDefined()
})

test('an account that was made although the program did not end is removed', async () => {
  const tools = windows.tools
  const run = tools.run.bind(tools)
  tools.run = async (...call) => {
    const result = await run(...call)
    if (windows.calls.length === 1) throw new Error('powershell.exe timed out')
    return result
  }
  expect(await reason(windowsAccounts(tools).create(ANN))).toContain('timed out')
  expect(windows.users).toHaveLength(2)
})

test.each([
  ['Administrador', 'account of the system'],
  ['Invitado', 'account of the system'],
  ['Administrator', 'account of the system'],
  ['SYSTEM', 'account of the system'],
  ['qvduser', 'a group has this name'],
  ['CON', 'device'],
  ['ann*', 'character'],
])('%s is refused', async (name, message) => {
  expect(await reason(find(name))).toContain(message)
})

test('a name that cannot be is not even tried', async () => {
  await reason(create({ ...ANN, name: 'nul' }))
  await reason(find('nul'))
  expect(windows.calls).toEqual([])
})

test('an account that is disabled is refused', async () => {
  await create()
  const ann = windows.users.at(-1)
  if (ann !== undefined) ann.enabled = false
  expect(await reason(find('ann'))).toContain('disabled')
})

test('an account of the domain is one', async () => {
  expect(await find('domanna')).toMatchObject({ name: 'domanna', uid: 1_107 })
})

test.each([
  ['missing', 'could not be started'],
  ['slow', 'timed out'],
  ['denied', 'Access is denied'],
  ['garbage', 'not understood'],
] as const)('PowerShell that is %s is told', async (trouble, message) => {
  windows.breakProgram('powershell', trouble)
  expect(await reason(find('ann'))).toContain(message)
  expect(await reason(create())).toContain(message)
})
