import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addFlavour } from '../../proxy/src/store/admin.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { GREEN, type MachineScreen, startMachineScreen } from '../fixtures/machine-screen.ts'
import { Visitor } from '../fixtures/visitor.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** The screen of a real machine behind the door, in real viewers on a real screen. */

let room: DoorRoom
let machine: MachineScreen
let screen: XScreen

beforeAll(async () => {
  room = await DoorRoom.open()
  machine = await startMachineScreen()
  screen = await openScreen()
  await room.addUsers(['ann'], PASSWORD)
  const size = { memoryMb: 1024, cpuPercent: 100, isApplication: false }
  const flavour = await addFlavour(room.db, { ...size, name: 'machine', displays: ['spice', 'vnc'] })
  const { id } = await room.addDesktop('ann', 'green', {
    display: (socket, kind) => {
      const path = kind === 'spice' || kind === 'vnc' ? machine.sockets[kind] : undefined
      if (path === undefined) return void socket.destroy()
      const there = connect(path)
      there.on('error', () => socket.destroy())
      socket.pipe(there).pipe(socket)
      socket.once('close', () => there.destroy())
    },
  })
  await room.db.updateTable('vm').set({ flavour_id: flavour }).where('id', '=', id).execute()
})
afterAll(async () => {
  await screen[Symbol.asyncDispose]()
  await machine[Symbol.asyncDispose]()
  await room[Symbol.asyncDispose]()
})

const seat = async () => await room.db.selectFrom('seat').selectAll().executeTakeFirst()

test.each([
  ['spice', 'remote-viewer', 'in a SPICE viewer'],
  ['spice', 'spicy', 'in a SPICE viewer'],
  ['vnc', 'xtigervncviewer', 'in a VNC viewer'],
] as const)('%s in %s shows the screen, and leaves nothing behind', async (display, viewer, label) => {
  await using client = screen.connect(room, 'ann', ['--display', display, '--viewer', viewer])
  await until('a picture', async () => (await screen.share(GREEN)) > 0.05, 20_000)
  expect(await seat()).toMatchObject({ state: 'connected', label: `ann, ${label}` })
  client.process.kill('SIGTERM')
  expect(await client.ended, client.said()).toBe(0)
  await until('the seat to be free', async () => (await seat())?.state === 'disconnected')
  await until('the window to go', async () => (await screen.share(GREEN)) === 0)
})

test('whoever opens it elsewhere takes it away with all its channels, and the viewer ends', async () => {
  await using loser = screen.connect(room, 'ann', ['--display', 'spice'])
  await until('a picture', async () => (await screen.share(GREEN)) > 0.05, 20_000)
  await using other = await openScreen()
  await using _winner = other.connect(room, 'ann', ['--display', 'vnc'])
  expect(await loser.ended, loser.said()).toBe(75)
  await until('the window to go', async () => (await screen.share(GREEN)) === 0)
  await until('a picture', async () => (await other.share(GREEN)) > 0.05, 20_000)
})

describe('a file of the portal', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ostler-vv-'))
    return () => rmSync(folder, { recursive: true, force: true })
  })

  /** Runs remote-viewer where the door's certificate is among those that the system trusts, or is not. */
  function view(file: string, trusted: boolean): { said: () => string } & AsyncDisposable {
    const bundle = join(folder, 'authorities')
    const certificate = join(room.node.settings.folder, 'state/l7r/cert.pem')
    writeFileSync(bundle, readFileSync(trusted ? certificate : '/etc/ssl/certs/ca-certificates.crt'))
    const steps = 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && exec remote-viewer --debug "$2"'
    const child = spawn('unshare', ['--mount', 'sh', '-c', steps, 'sh', bundle, file], {
      env: { ...process.env, DISPLAY: screen.display },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = new Promise((resolve) => child.once('close', resolve))
    return {
      said: () => said,
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGTERM')
        await ended
      },
    }
  }

  async function download(): Promise<string> {
    const visitor = new Visitor()
    const portal = `https://127.0.0.1:${room.port}/portal`
    const headers = { Origin: `https://127.0.0.1:${room.port}` }
    await visitor.visit(`${portal}/api/sign-in`, { headers, json: { login: 'ann', password: PASSWORD } })
    const { status, text } = await visitor.visit(`${portal}/desktops/1/display.vv`)
    expect(status, text).toBe(200)
    const file = join(folder, 'green.vv')
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }

  test('opens the screen in remote-viewer through the one port, and is deleted', async () => {
    const file = await download()
    const copy = join(folder, 'copy.vv')
    copyFileSync(file, copy)
    {
      await using viewer = view(file, true)
      await until('a picture', async () => (await screen.share(GREEN)) > 0.05, 20_000).catch(
        (cause: unknown) => {
          throw new Error(viewer.said(), { cause })
        },
      )
      expect(existsSync(file)).toBe(false)
      expect(await seat()).toMatchObject({ state: 'connected', label: 'ann, in a SPICE viewer' })
    }
    await until('the seat to be free', async () => (await seat())?.state === 'disconnected')
    await using again = view(copy, true)
    await until('remote-viewer to be refused', () => /failed to connect|Proxy/i.test(again.said()), 20_000)
    expect(await screen.share(GREEN)).toBe(0)
  })

  test('opens nothing where nobody vouches for the certificate of the door', async () => {
    await using viewer = view(await download(), false)
    await until('a refusal', () => viewer.said().includes('Unacceptable TLS certificate'), 20_000)
    expect(await seat()).toMatchObject({ state: 'disconnected' })
  })
})
