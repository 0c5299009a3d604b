import { takeUsb } from '@ostler/agent/usb/usb-upgrade.ts'
import type { UsbRule } from '@ostler/agent/usb/usb-rule.ts'
import { serveControl } from '@ostler/client/control/control-server.ts'
import { doorAt } from '@ostler/client/door.ts'
import { shareBeside } from '@ostler/client/folders/beside-display.ts'
import { SharedFolders } from '@ostler/client/folders/shared-folders.ts'
import { startHost } from '@ostler/client/usb/host-process.ts'
import { SharedDevices } from '@ostler/client/usb/shared-devices.ts'
import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import type { ApiClient } from '@ostler/qa/api-client.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClientProgram } from '../fixtures/client-program.ts'
import { DoorRoom, type RoomDoor } from '../fixtures/door-room.ts'
import { tunnelLines } from '../fixtures/tunnel-room.ts'
import { UsbImporter } from '../fixtures/usb-importer.ts'
import { KEYBOARD, UsbRoom } from '../fixtures/usb-room.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/**
 * `ostler usb` in one piece: the program, the control socket of an open desktop, a real door with its tickets and rules, and the agent's
 * own code. Stand-ins are the device, and the kernel of the desktop.
 */

const STAND_IN_HOST = join(import.meta.dirname, '../fixtures/usb-host-stand-in.ts')
const KEY_A = 4

let room: DoorRoom
let api: ApiClient
let desktops = 0

beforeAll(async () => {
  room = await DoorRoom.open()
  api = await room.openApi()
  await room.addUsers(['ann'], PASSWORD)
})
afterAll(async () => await room[Symbol.asyncDispose]())

interface DeskOptions {
  readonly hypervisor?: 'kvm' | 'lxc'
  /** `vma.usb.devices` of its image. */
  readonly rule?: UsbRule
  readonly door?: RoomDoor
  /** What gives devices away here. */
  readonly elevate?: readonly string[]
}

/** An open desktop of Ann's, and her other programs. */
interface Desk extends AsyncDisposable {
  readonly id: number
  readonly name: string
  /** Its kernel. */
  readonly kernel: UsbImporter
  /** The bus id of the device that is not here; `undefined`: all are. */
  readonly away: () => string | undefined
  /** Lines for Ann. */
  readonly told: readonly string[]
  /** Runs `ostler usb …`. @returns what it prints, or the code of its fault. */
  readonly usb: (...words: string[]) => Promise<string>
}

function doorFor(port: number, home: string): ReturnType<typeof doorAt> {
  const account = { user: 'ann', password: new Secret(PASSWORD) }
  const trust = { file: join(home, 'trust'), confirm: () => Promise.resolve(true) }
  return doorAt({ host: '127.0.0.1', port }, account, trust)
}

/** Adds a desktop, and a client that shows it with what `beside` brings. */
async function openDesk({
  hypervisor = 'kvm',
  rule = 'all',
  door = room.door,
  elevate,
}: DeskOptions = {}): Promise<Desk> {
  const scope = new Scope()
  const program = new ClientProgram()
  scope.defer(() => program[Symbol.dispose]())
  const kernel = new UsbImporter()
  const agent = scope.own(new UsbRoom({ attach: kernel.attach, rule }))
  const name = `desk${++desktops}`
  const { id } = await room.addDesktop('ann', name, {
    upgrades: {
      [upgradeApi.usb.path]: (_, socket) => takeUsb(agent.devices, socket, Buffer.alloc(0)),
    },
  })
  await room.db.updateTable('vm').set({ hypervisor }).where('id', '=', id).execute()

  const told: string[] = []
  const file = join(program.home, 'away')
  const starter = elevate ?? [process.execPath, STAND_IN_HOST, file]
  const server = doorFor(door.port, program.home)
  const usb = scope.own(
    new SharedDevices({
      open: () => server.openUsb(id),
      host: (busId) => startHost(busId, starter),
      devices: () => [KEYBOARD],
      tell: (line) => told.push(line),
    }),
  )
  scope.own(await withRuntime(program.home, () => serveControl({ desktop: name, folders: none(scope), usb })))
  return {
    id,
    name,
    kernel,
    told,
    away: () => (existsSync(file) ? readFileSync(file, 'utf8') : undefined),
    usb: (...words) => runUsb(program, words),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** No folder is shared here. */
function none(scope: Scope): SharedFolders {
  const serve = (): Promise<never> => Promise.reject(new Error('nobody shares a folder'))
  return scope.own(new SharedFolders({ serve, tell: () => {} }))
}

async function runUsb(program: ClientProgram, words: readonly string[]): Promise<string> {
  const env = { XDG_RUNTIME_DIR: program.home }
  const { code, out, said } = await program.run(['usb', ...words], { env })
  return code === 0 ? out : (/\[([\w.]+)\]/.exec(said)?.[1] ?? said)
}

/** Does something with the control sockets in a folder. */
async function withRuntime<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = folder
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
    else process.env['XDG_RUNTIME_DIR'] = before
  }
}

const hasDevice = (desk: Desk): boolean => desk.kernel.descriptor !== undefined

test('a device goes from the command to the desktop’s kernel, its keys arrive, and it comes back', async () => {
  await using desk = await openDesk()
  const line = '1-1  1209:0001  Ostler Stand-in keyboard'
  expect(await desk.usb('shared')).toBe('')
  expect(await desk.usb('share', '1209:0001')).toBe(`${line} is in ${desk.name}.\n`)
  expect(desk.away()).toBe('1-1')
  await until('the kernel to know it', () => hasDevice(desk))
  const { content } = await desk.kernel.ask({ way: 'in', endpoint: 1, length: 8 })
  expect(content[2]).toBe(KEY_A)
  expect(await desk.usb('shared')).toBe(`${line}\n`)
  expect(await desk.usb('share', '1-1')).toBe('usb.unusable')
  expect(await desk.usb('stop', '1-1')).toBe('')
  expect(desk.away()).toBeUndefined()
  await until('the kernel to lose it', () => !hasDevice(desk))
  expect(await desk.usb('stop', '1-1')).toBe('usb.unusable')
  expect(await desk.usb('shared')).toBe('')
  expect(desk.told).toEqual([])
  await until('the end to be logged', () => tunnelLines(room.door.log(), desk.id).length === 3)
  expect(tunnelLines(room.door.log(), desk.id)).toMatchObject([
    { message: 'tunnel ticket given', audit: true, kind: 'usb', by: 'ann' },
    { message: 'tunnel opens', audit: true, kind: 'usb', by: 'ann' },
    { message: 'tunnel ended', audit: true, kind: 'usb', by: 'ann' },
  ])
})

test('one that was taken back can be shared again at once', async () => {
  await using desk = await openDesk()
  for (const time of ['first', 'second']) {
    expect(await desk.usb('share', '1-1')).toContain(`is in ${desk.name}`)
    await until(`the kernel to know it the ${time} time`, () => hasDevice(desk))
    expect(await desk.usb('stop', '1209:0001')).toBe('')
    await until(`the kernel to lose it the ${time} time`, () => !hasDevice(desk))
  }
})

test.each([
  ['a container', { hypervisor: 'lxc' }, 'usb.unavailable'],
  ['an image that wants no USB', { rule: 'off' }, 'usb.refused'],
  ['an image that wants others', { rule: [{ vendor: 0x0781, product: undefined }] }, 'usb.refused'],
] as const)('%s gets no device, and it is this machine’s', async (_, options, code) => {
  await using desk = await openDesk(options)
  expect(await desk.usb('share', '1-1')).toBe(code)
  expect(desk.away()).toBeUndefined()
  expect(await desk.usb('shared')).toBe('')
})

test('a rule of the door keeps devices here, and says which', async () => {
  await using desk = await openDesk()
  await api.post('/v1/policy', { name: `no-usb-${desk.name}`, vm: desk.name, usb: 'no' })
  await until('the rule to count', async () => (await desk.usb('share', '1-1')) === 'policy.refused')
  expect(desk.away()).toBeUndefined()
  expect(hasDevice(desk)).toBe(false)
})

test('who claims the desktop gets none of the devices of who sat there', async () => {
  await using desk = await openDesk()
  await desk.usb('share', '1-1')
  await until('the kernel to know it', () => hasDevice(desk))
  const lease_until = new Date(Date.now() + 60_000)
  const who = { state: 'connected', door: 'x/1', label: 'ann', ended_by: null, displaced: null } as const
  await room.db
    .insertInto('seat')
    .values({ vm_id: desk.id, epoch: 1, lease_until, ...who })
    .execute()
  await until('the device to come back', () => desk.away() === undefined)
  await until('the kernel to lose it', () => !hasDevice(desk))
  expect(desk.told).toEqual([expect.stringMatching(/^1209:0001: the USB device was taken away/)])
  await until('nothing to be shared', async () => (await desk.usb('shared')) === '')
})

test('a door that dies gives every device back', async () => {
  const door = await room.openDoor()
  await using desk = await openDesk({ door })
  await desk.usb('share', '1-1')
  await until('the kernel to know it', () => hasDevice(desk))
  await door.crash()
  await until('the device to come back', () => desk.away() === undefined)
  await until('the kernel to lose it', () => !hasDevice(desk))
  expect(desk.told).toHaveLength(1)
})

test('who may not take devices from their drivers hears what sudo says', async () => {
  const elevate = ['sh', '-c', 'echo "sudo: a password is required" >&2; exit 1']
  await using desk = await openDesk({ elevate })
  expect(await desk.usb('share', '1-1')).toBe('usb.unusable')
  expect(hasDevice(desk)).toBe(false)
  await expect(startHost('1-1', elevate)).rejects.toThrow(/sudo: a password is required/)
})

test('a desktop that `ostler connect` shows can be asked for devices', async () => {
  using program = new ClientProgram()
  const door = doorFor(room.port, program.home)
  const { id } = await room.addDesktop('ann', 'shown')
  await using _ = await withRuntime(program.home, () =>
    shareBeside(door, { id, name: 'shown' }, [], undefined, () => {}),
  )
  expect(await runUsb(program, ['shared', '--desktop', 'shown'])).toBe('')
  expect(await runUsb(program, ['share', '9-99.9'])).toBe('usb.unusable')
  expect(await runUsb(program, ['shared', '--desktop', 'another'])).toBe('client.noConnection')
})
