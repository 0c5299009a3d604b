import { Fault } from '@ostler/contract/fault.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import type { DisplayStream } from '@ostler/client/door.ts'
import { serveFolder } from '@ostler/client/folders/serve-folder.ts'
import { serveControl } from '@ostler/client/control/control-server.ts'
import { SharedFolders } from '@ostler/client/folders/shared-folders.ts'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SharedDevices } from '@ostler/client/usb/shared-devices.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderRoom } from '../fixtures/folder-room.ts'
import { openRelay } from '../fixtures/relay.ts'
import { until } from '../fixtures/world.ts'

/** No device is shared here. */
const never = (): Promise<never> => Promise.reject(new Error('nobody asks for a device'))
const usb = new SharedDevices({ open: never, host: never, tell: () => {} })

const PROGRAM = join(import.meta.dirname, '../../client/src/bin/ostler.ts')

let room: FolderRoom
let runtime: string
let before: string | undefined
const told: string[] = []
const tell = (line: string): void => void told.push(line)
beforeEach(async () => {
  told.length = 0
  room = await FolderRoom.open()
  runtime = mkdtempSync(join(tmpdir(), 'ostler-runtime-'))
  before = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = runtime
})
afterEach(async () => {
  await room[Symbol.asyncDispose]()
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
  else process.env['XDG_RUNTIME_DIR'] = before
  rmSync(runtime, { recursive: true })
})

/** Serves folders on streams as the door opens them. */
function serveBy(
  open: () => Promise<DisplayStream>,
): ConstructorParameters<typeof SharedFolders>[0]['serve'] {
  return async (share, signal) => await serveFolder(share, await open(), signal)
}

/** Runs the real program; what it prints, or the fault's code in its last words. */
async function ostler(...args: string[]): Promise<string> {
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime }
  try {
    return (await run(process.execPath, [PROGRAM, ...args], { env, timeoutMs: 60_000 })).stdout
  } catch (error) {
    return error instanceof RunError
      ? (/\[([\w.]+)\]/.exec(error.stderr)?.[1] ?? error.stderr)
      : String(error)
  }
}

test('folders of an open desktop are given, listed and taken back by other programs of the user', async () => {
  await using folders = new SharedFolders({ serve: serveBy(() => room.stream()), tell })
  await using _control = await serveControl({ desktop: 'work', folders, usb })
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'a'), 'here')
  expect(await ostler('share', `${docs}=papers:ro`)).toBe(
    `${docs} is ~/Redirected/papers in work, for reading only.\n`,
  )
  expect(await room.user('cat', [join(room.point('papers'), 'a')])).toMatchObject({ out: 'here' })
  expect(await ostler('shares')).toBe(`~/Redirected/papers  ro  ${docs}\n`)
  expect(await ostler('share', docs)).toBe('folder.unusable')
  expect(await ostler('share', join(docs, 'a'))).toBe('folder.unusable')
  expect(await ostler('unshare', 'other')).toBe('folder.unusable')
  expect(await ostler('unshare', 'papers')).toBe('')
  await until('the mount to go', () => room.mounts().length === 0)
  expect(await ostler('shares')).toBe('')
})

test('of several open desktops one is to be named, and what was left by one that died is no desktop', async () => {
  expect(await ostler('shares')).toBe('client.noConnection')
  await using folders = new SharedFolders({ serve: serveBy(() => room.stream()), tell })
  await using _control = await serveControl({ desktop: 'work', folders, usb })
  writeFileSync(join(runtime, 'ostler', '1.sock'), '')
  expect(await ostler('shares', '--desktop', 'play')).toBe('client.noConnection')
  expect(await ostler('shares', '--desktop', 'work')).toBe('')
})

test('the control socket is the user’s alone, and gone with the desktop', async () => {
  await using folders = new SharedFolders({ serve: serveBy(() => room.stream()), tell })
  const folder = join(runtime, 'ostler')
  {
    await using _control = await serveControl({ desktop: 'work', folders, usb })
    const [name = ''] = readdirSync(folder)
    expect([statSync(folder).mode & 0o777, statSync(join(folder, name)).mode & 0o777]).toEqual([0o700, 0o600])
  }
  expect(readdirSync(folder)).toEqual([])
  chmodSync(folder, 0o755)
  await expect(serveControl({ desktop: 'work', folders, usb })).rejects.toMatchObject({
    code: 'client.noConnection',
  })
})

test('a folder whose line breaks stands again, and the user hears of both', async () => {
  await using relay = await openRelay(room.port)
  await using folders = new SharedFolders({ serve: serveBy(() => room.stream(relay.port)), tell })
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'a'), 'here')
  await folders.add({ path: docs, name: 'docs', readOnly: false })
  relay.reset()
  await until('it to stand again', () => told.length === 2)
  expect(told[0]).toContain('sharing it again')
  expect(told[1]).toBe(`${docs} is shared again as ~/Redirected/docs.`)
  expect(await room.user('cat', [join(room.point('docs'), 'a')])).toMatchObject({ out: 'here' })
})

test('a folder that will not be had any more is given up, and the user hears why', async () => {
  let allowed = true
  const open = () =>
    allowed ? room.stream() : Promise.reject(new Fault('folder.refused', { reason: 'new rules' }))
  await using folders = new SharedFolders({ serve: serveBy(open), tell })
  await folders.add({ path: room.folder('docs'), name: 'docs', readOnly: false })
  allowed = false
  await room.folders.endAll('the test says so')
  await until('it to be given up', () => folders.list().length === 0)
  expect(told.at(-1)).toContain('new rules')
})

test('names in the wish: a name of its own, for reading only, and paths with = and : in them', async () => {
  const { wantedShare } = await import('@ostler/client/folders/wanted-share.ts')
  const [plain, odd] = [room.folder('plain'), room.folder('a=b:ro')]
  expect(wantedShare(plain)).toEqual({ path: plain, name: 'plain', readOnly: false })
  expect(wantedShare(`${plain}=x`)).toEqual({ path: plain, name: 'x', readOnly: false })
  expect(wantedShare(`${plain}=x:ro`)).toEqual({ path: plain, name: 'x', readOnly: true })
  expect(wantedShare(odd)).toEqual({ path: odd, name: 'a=b:ro', readOnly: false })
  expect(wantedShare(`${odd}:ro`)).toEqual({ path: odd, name: 'a=b:ro', readOnly: true })
  expect(() => wantedShare(join(plain, 'none'))).toThrow(Fault)
})
