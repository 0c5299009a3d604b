import { afterEach, beforeEach, expect, test } from 'vitest'
import { PrivateSystem } from './private-system.ts'

const ANN = { name: 'ann', uid: 4711, gid: 4712, home: '/home/ann', shell: '/bin/sh' }

let system: PrivateSystem
beforeEach(async () => {
  system = await PrivateSystem.open()
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
})

const modes = (): Promise<string> => system.shell('stat -c "%u:%g %a" /run/user /run/user/4711')

test("it is the user's alone, below a folder of root's that all may pass", async () => {
  await system.call('ensureRuntimeFolder', ANN)
  expect(await modes()).toBe('0:0 755\n4711:4712 700')
})

test('one that is there stays, with all that is in it', async () => {
  await system.shell('install -d -m 700 -o 4711 -g 4712 /run/user/4711; touch /run/user/4711/bus')
  await system.call('ensureRuntimeFolder', ANN)
  expect(await modes()).toBe('0:0 755\n4711:4712 700')
  expect(await system.shell('ls /run/user/4711')).toBe('bus')
})

test('one that an earlier user of that number left becomes hers', async () => {
  await system.shell('install -d -m 755 -o 4000 -g 4000 /run/user/4711')
  await system.call('ensureRuntimeFolder', ANN)
  expect(await modes()).toBe('0:0 755\n4711:4712 700')
})
