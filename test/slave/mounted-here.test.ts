import { keepMounted } from '@ostler/client/folders/mounted-here.ts'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { until } from '../fixtures/world.ts'
import { type ChannelRoom, openChannelRoom } from './channel-room.ts'
import { isMounted } from './sshfs-mount.ts'

/** `client.mount.N`: folders of the desktop at the client, over a real nxagent, nxproxy, sshfs and sftp-server. */

let room: ChannelRoom
const told: string[] = []
beforeAll(async () => {
  room = await openChannelRoom()
})
beforeEach(() => void told.splice(0))
afterAll(async () => await room[Symbol.asyncDispose]())

function mount(remote: string, local: string, program = 'sshfs'): AsyncDisposable {
  const channel = { guest: () => Promise.resolve(room.client.guest) }
  const sshfs = { program, extraArgs: [] }
  return keepMounted({ remote, local }, { channel, sshfs, tell: (line) => told.push(line) })
}

test('a folder of the desktop is here, comes again after its line was cut, and goes with the desktop', async () => {
  const [work, local] = [join(room.guestHome, 'work'), join(room.clientHome, 'made', 'desk top')]
  mkdirSync(work)
  writeFileSync(join(work, 'plan.txt'), 'the plan')
  {
    await using _mount = mount('work', local)
    await until('it to be told', () => told.includes(`work of the desktop is ${local} here.`))
    expect(await readFile(join(local, 'plan.txt'), 'utf8')).toBe('the plan')
    await writeFile(join(local, 'new'), 'from here')
    expect(readFileSync(join(work, 'new'), 'utf8')).toBe('from here')

    room.news.set({ state: 'suspending', session: 1 })
    await until('the end to be told', () => told.includes(`${local}: its line has ended.`))
    room.news.set({ state: 'connected', session: 1 })
    await until('it to be here again', () => told.filter((line) => line.endsWith(' here.')).length === 2)
    expect((await readdir(local)).sort()).toEqual(['new', 'plan.txt'])
  }
  expect(isMounted(local)).toBe(false)
  expect(await readdir(local)).toEqual([])
})

test('what cannot be mounted is told once, and nothing is left', async () => {
  const full = join(room.clientHome, 'full')
  mkdirSync(full)
  writeFileSync(join(full, 'mine'), '')
  mkdirSync(join(room.guestHome, 'here'))
  const refused = async (remote: string, local: string, why: RegExp, program?: string): Promise<void> => {
    told.splice(0)
    await using _mount = mount(remote, local, program)
    await until('it to be told', () => told.length > 0)
    expect(told).toEqual([expect.stringMatching(why)])
    expect(isMounted(local)).toBe(false)
  }
  await refused('here', full, /it is not empty/)
  await refused('missing', join(room.clientHome, 'a'), /answered 404 .*missing not found/)
  await refused('here', join(room.clientHome, 'b'), /no-such-sshfs did not mount it/, 'no-such-sshfs')
  await refused('here', join(room.clientHome, 'c'), /false did not mount it/, 'false')
  room.parameters.set('qvd.ostler.policy.folders', 'ro')
  await refused('here', join(room.clientHome, 'd'), /answered 403 .*policy/)
})
