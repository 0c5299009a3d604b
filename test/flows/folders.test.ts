import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const FUSE = '/dev/fuse'

let world: World
let screen: XScreen
let client: string
let fuseMode: number

beforeAll(async () => {
  // As udev has it everywhere: everybody's. A machine without udev has it for root alone.
  fuseMode = statSync(FUSE).mode & 0o777
  chmodSync(FUSE, 0o666)
  client = mkdtempSync(join(tmpdir(), 'ostler-shared-'))
  world = await startWorld()
  screen = world.scope.own(await openScreen())
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(client, { recursive: true })
  chmodSync(FUSE, fuseMode)
})

test('ostler connect --share: the folder stands in a container, through the door, and is gone after the disconnect', async () => {
  const docs = join(client, 'docs')
  mkdirSync(docs)
  chmodSync(client, 0o755)
  writeFileSync(join(docs, 'letter'), 'dear ann')
  const vmId = await world.addUser('ann')
  const native = screen.connect(world, 'ann', ['--geometry', '1000x700', '--link', 'lan', '--share', docs])
  await until('the folder to be shared', () => native.said().includes('~/Redirected/docs'), 120_000)
  const inside = async (words: string): Promise<string> =>
    await world.inside(vmId, [
      'setpriv',
      '--reuid=ann',
      '--regid=ann',
      '--clear-groups',
      '--',
      'sh',
      '-c',
      words,
    ])
  expect(await inside('cat /home/ann/Redirected/docs/letter')).toBe('dear ann')
  await inside('echo thanks > /home/ann/Redirected/docs/answer')
  expect(readFileSync(join(docs, 'answer'), 'utf8')).toBe('thanks\n')
  await native[Symbol.asyncDispose]()
  await world.untilSuspended(vmId)
  await until('the mount to go', async () => !(await inside('cat /proc/mounts')).includes('Redirected'))
  expect(existsSync(join(world.home('ann'), 'Redirected'))).toBe(false)
})
