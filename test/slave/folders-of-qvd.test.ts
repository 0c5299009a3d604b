import { type Door, doorAt } from '@ostler/client/door.ts'
import { shareBeside } from '@ostler/client/folders/beside-display.ts'
import type { GuestCalls } from '@ostler/client/slave/guest-calls.ts'
import { PresentChannel } from '@ostler/client/slave/present-channel.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { once } from 'node:events'
import { lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { until } from '../fixtures/world.ts'
import { type ChannelRoom, openChannelRoom } from './channel-room.ts'
import { isMounted } from './sshfs-mount.ts'

/** Folders of our client in a desktop whose server has no streams for them, as QVD's: they go over the slave channel. */

const DESKTOP = { id: 7, name: 'work' }

const scope = new Scope()
let room: ChannelRoom
let door: Door
let before: string | undefined
const told: string[] = []
const tell = (line: string): void => void told.push(line)

beforeAll(async () => {
  room = scope.own(await openChannelRoom())
  // QVD's answer to every path that it does not know.
  const server = createServer((_, response) => response.writeHead(404, { 'Content-Length': 0 }).end())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  scope.defer(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const account = { user: 'ann', password: new Secret('x') }
  const trust = { file: '/nowhere', confirm: () => Promise.resolve(false) }
  door = doorAt({ host: '127.0.0.1', port, plain: true }, account, trust)
  const runtime = mkdtempSync(join(tmpdir(), 'ostler-runtime-'))
  before = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = runtime
  scope.defer(() => rmSync(runtime, { recursive: true, force: true }))
})
afterAll(async () => {
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
  else process.env['XDG_RUNTIME_DIR'] = before
  await scope.close()
})
beforeEach(() => void (told.length = 0))

function folder(name: string): string {
  const path = join(room.clientHome, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'hello.txt'), `in ${name}`)
  return path
}

const inGuest = (...path: string[]): string => join(room.guestHome, 'Redirected', ...path)

async function untilTold(line: string): Promise<void> {
  await until(`"${line}" to be told`, () => told.includes(line)).catch((cause: unknown) => {
    throw new Error(`it said: ${told.join(' | ')}`, { cause })
  })
}

test('a folder stands under its name, and goes with the client', async () => {
  const present = new PresentChannel()
  const [path, other] = [folder('docs'), folder('papers')]
  const shares = [
    { path, name: 'docs', readOnly: false },
    { path: other, name: 'mine', readOnly: true },
  ]
  const beside = await shareBeside(door, DESKTOP, shares, present, tell)
  present.begin(room.client.guest)
  await untilTold(`${path} is ~/Redirected/docs.`)
  await untilTold(`${other} is ~/Redirected/mine, for reading only.`)
  // The link in her home comes right after the first mount.
  const isLinked = (): boolean => lstatSync(inGuest(), { throwIfNoEntry: false })?.isSymbolicLink() === true
  await until(
    'both to stand',
    () => isLinked() && ['docs', 'mine'].every((name) => isMounted(room.point(name))),
  )
  expect(await readFile(inGuest('docs', 'hello.txt'), 'utf8')).toBe('in docs')
  expect(await readFile(inGuest('mine', 'hello.txt'), 'utf8')).toBe('in papers')
  await writeFile(inGuest('docs', 'new'), 'by the desktop')
  expect(await readFile(join(path, 'new'), 'utf8')).toBe('by the desktop')
  await expect(writeFile(inGuest('mine', 'new'), '')).rejects.toThrow()
  await beside[Symbol.asyncDispose]()
  await until('both to go', () => !['docs', 'mine'].some((name) => isMounted(room.point(name))))
})

test('it stands again after the line was cut, over the next channel', async () => {
  const streams: Duplex[] = []
  const guest: GuestCalls = {
    ask: (call) => room.client.guest.ask(call),
    open: async (call) => {
      const opened = await room.client.guest.open(call)
      streams.push(opened.stream)
      return opened
    },
  }
  const present = new PresentChannel()
  const path = folder('docs')
  await using _ = await shareBeside(door, DESKTOP, [{ path, name: 'docs', readOnly: false }], present, tell)
  present.begin(guest)
  await untilTold(`${path} is ~/Redirected/docs.`)
  present.end()
  for (const stream of streams) stream.destroy()
  await until('it to be gone', () => !isMounted(room.point('docs')))
  present.begin(room.client.guest)
  await untilTold(`${path} is shared again as ~/Redirected/docs.`)
  await until('it to stand', () => isMounted(room.point('docs')))
})

test('what the desktop refuses is told, and tried no more', async () => {
  const present = new PresentChannel()
  present.begin(room.client.guest)
  room.parameters.set('qvd.ostler.policy.folders', 'off')
  const path = folder('docs')
  await using _ = await shareBeside(door, DESKTOP, [{ path, name: 'docs', readOnly: false }], present, tell)
  await until('it to be told', () => told.length > 0)
  expect(told[0]).toMatch(/docs is not shared: .*folders are off in this desktop.*\[folder\.refused\]/)
  room.parameters.delete('qvd.ostler.policy.folders')
})

test('where there is no slave channel either, the server’s own word is told', async () => {
  const path = folder('docs')
  await using _ = await shareBeside(door, DESKTOP, [{ path, name: 'docs', readOnly: false }], undefined, tell)
  await until('it to be told', () => told.length > 0)
  expect(told[0]).toMatch(/docs is not shared: .*404/)
})
