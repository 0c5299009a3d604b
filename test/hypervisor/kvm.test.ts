import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import type { DesktopSpec, Hypervisor } from '../../proxy/src/hypervisor/hypervisor.ts'
import { openQmp } from '../../proxy/src/hypervisor/kvm/qmp.ts'
import { displaySocket } from '../../proxy/src/model/run-folder.ts'
import { commandLine } from '../fixtures/world.ts'
import { DOOR, type KvmRoom, kvmRoom, UID_START } from './kvm-room.ts'
import { hypervisorSuite } from './suite.ts'

hypervisorSuite('kvm', kvmRoom, { desktops: 3, sequences: 6, verbs: 8, endMs: 20_000, files: false })

describe('a virtual machine', () => {
  const END_MS = 20_000
  let room: KvmRoom
  let driver: Hypervisor
  let lastId = 40

  beforeAll(async () => {
    room = await kvmRoom()
    driver = inTurn(room.open())
  })
  afterAll(() => room[Symbol.asyncDispose]())
  afterEach(async () => {
    await down(lastId)
    expect(room.remains()).toEqual([])
  })

  async function up(desktop: DesktopSpec = room.spec(++lastId)): Promise<DesktopSpec> {
    await driver.prepare(desktop)
    await driver.boot(desktop)
    return desktop
  }

  async function down(id: number): Promise<void> {
    await driver.kill(id)
    await comesToHold(() => driver.observe(id).processes === 'absent', END_MS, 20)
    await driver.release(id)
  }

  const status = (id: number): string => readFileSync(`/proc/${room.pidOf(id)}/status`, 'utf8')
  const field = (id: number, name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status(id))?.[1]

  /** What the tiny guest has said on its serial line: how often it has seen each of its disks. */
  async function counts(id: number): Promise<string> {
    const log = room.inMachine(id, 'console.log')
    await comesToHold(() => readFileSync(log, 'utf8').includes('\n'), END_MS, 20)
    return readFileSync(log, 'utf8').trim()
  }

  test('runs as a user of its own, without capabilities, in a filter of system calls', async () => {
    const { id } = await up()
    const uid = String(UID_START + id)
    expect(field(id, 'Uid')?.split('\t')).toEqual([uid, uid, uid, uid])
    expect(field(id, 'CapEff')).toBe('0000000000000000')
    expect(field(id, 'CapBnd')).toBe('0000000000000000')
    expect([field(id, 'NoNewPrivs'), field(id, 'Seccomp')]).toEqual(['1', '2'])
    expect(field(id, 'Groups')?.trim()).not.toContain('0 ')
  })

  test('is not told the way to any file of the node', async () => {
    const { id, image } = await up()
    expect(commandLine(room.pidOf(id))).not.toContain(room.folder)
    expect(commandLine(room.pidOf(id))).not.toContain(image.path)
  })

  test('cannot open the disks of another one by their names', async () => {
    const { id } = await up()
    const peek = (path: string): Promise<unknown> =>
      run('setpriv', [`--reuid=${UID_START + id}`, '--clear-groups', 'head', '-c1', path])
    await expect(peek(join(room.folder, `storage/overlays/1-${id}-overlay.qcow2`))).rejects.toThrow(
      'Permission denied',
    )
    await expect(peek(room.spec(id).image.path)).rejects.toThrow('Permission denied')
    await expect(peek(join(room.folder, 'run/desktops/1'))).rejects.toThrow('Permission denied')
  })

  test('has its overlay to itself: QEMU locks the file', async () => {
    const { id } = await up()
    const overlay = join(room.folder, `storage/overlays/1-${id}-overlay.qcow2`)
    const peek = run('qemu-io', ['-f', 'qcow2', '-c', 'info', overlay])
    await expect(peek).rejects.toThrow(/lock/)
  })

  test('finds an empty overlay and the home as it was', async () => {
    const desktop = await up()
    expect(await counts(desktop.id)).toBe('11')
    await down(desktop.id)
    await up(desktop)
    expect(await counts(desktop.id)).toBe('12')
  })

  test('is held in its memory, processor and threads', async () => {
    const { id, flavour } = await up()
    const groups = readFileSync(`/proc/${room.pidOf(id)}/cgroup`, 'utf8')
    const limited = (name: string): string | undefined =>
      new RegExp(`^\\d+:${name}:(.*)$`, 'm').exec(groups)?.[1]
    const unified = limited('')
    const memory = limited('memory')
    const limit =
      memory === undefined
        ? readFileSync(join('/sys/fs/cgroup', unified ?? '', 'memory.max'), 'utf8')
        : readFileSync(join('/sys/fs/cgroup/memory', memory, 'memory.limit_in_bytes'), 'utf8')
    expect(Number(limit)).toBe((flavour.memoryMb + 512) * 2 ** 20)
  })

  test('has its screen, by VNC and SPICE, and its serial line for the door alone', async () => {
    const { id } = await up()
    for (const kind of ['serial', 'vnc', 'spice'] as const) {
      const path = displaySocket(join(room.folder, 'run'), id, kind)
      const stat = statSync(path)
      expect([kind, stat.uid, stat.mode & 0o777]).toEqual([kind, DOOR.uid, 0o600])
    }
    const vnc = connect(displaySocket(join(room.folder, 'run'), id, 'vnc'))
    const [greeting] = (await once(vnc, 'data')) as [Buffer]
    vnc.destroy()
    expect(greeting.toString()).toMatch(/^RFB 003\.00\d\n/)
  })

  test('C-112: has the hardware address that goes with its address', async () => {
    const { id } = await up({ ...room.spec(++lastId), address: '10.3.15.2' })
    expect(commandLine(room.pidOf(id))).toContain('mac=54:52:00:03:0f:02')
    expect(readFileSync(room.inMachine(id, 'network'), 'utf8')).toBe(
      `[Match]\nMACAddress=54:52:00:03:0f:02\n[Network]\nAddress=10.3.15.2/24\nGateway=${gateway()}\n`,
    )
    function gateway(): string {
      return room.spec(id).address.replace(/\d+$/, '1')
    }
  })

  test('reads and writes its disks as fast as its flavour says, and no faster', async () => {
    const usual = room.spec(++lastId)
    const { id } = await up({
      ...usual,
      flavour: { ...usual.flavour, diskRates: { iops: 100, kbytes: 512 } },
    })
    expect(await counts(id)).toBe('11') // it has found both of its disks
    using qmp = await openQmp(room.inMachine(id, 'qmp.sock'))
    expect(await qmp.execute('qom-get', { path: '/objects/disk-rates', property: 'limits' })).toMatchObject({
      'iops-read': 100,
      'iops-write': 100,
      'bps-read': 512 * 1024,
      'bps-write': 512 * 1024,
    })
    const began = performance.now()
    for (let at = 0; at < 4; at++) {
      const line = `qemu-io home-limited "read ${at * 256}k 256k"`
      expect(await qmp.execute('human-monitor-command', { 'command-line': line })).toBe('')
    }
    // QEMU lets a tenth of a second’s worth pass at once, and a request that has begun.
    expect(performance.now() - began).toBeGreaterThan(1_000)
  })

  test('whose boot was cut between its start and its first step runs when it is booted again', async () => {
    const desktop = await up()
    {
      using qmp = await openQmp(room.inMachine(desktop.id, 'qmp.sock'))
      await qmp.execute('stop')
    }
    await driver.boot(desktop)
    using qmp = await openQmp(room.inMachine(desktop.id, 'qmp.sock'))
    expect(await qmp.execute('query-status')).toMatchObject({ running: true })
  })

  test('that is asked to halt while its system does not listen yet hears it later', async () => {
    const { id } = await up()
    // The BIOS runs at this moment; what is pressed now is lost.
    await driver.powerOff(id)
    expect(await comesToHold(() => driver.observe(id).processes === 'absent', END_MS, 20)).toBe(true)
  })

  test('leaves what it said on its serial line when it is released', async () => {
    const { id } = await up()
    await counts(id)
    await down(id)
    expect(readFileSync(room.log(id, '-console'), 'utf8').trim()).toBe('11')
  })

  test('with an image that would read files of the node is refused before anything is made', async () => {
    const path = join(room.folder, 'storage/hostile.qcow2')
    writeFileSync(join(room.folder, 'storage/secret'), 'secret')
    const backing = ['-u', '-b', join(room.folder, 'storage/secret'), '-F', 'raw']
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, path, '1M'])
    const hostile = {
      ...room.spec(++lastId),
      image: { id: 1, name: 'hostile', kind: 'qcow2', path } as const,
    }
    await expect(driver.prepare(hostile)).rejects.toMatchObject({ code: 'image.unusable' })
    expect(existsSync(join(room.folder, `storage/overlays/1-${lastId}-overlay.qcow2`))).toBe(false)
  })

  test('that QEMU cannot start is a fault with QEMU’s reason', async () => {
    const desktop = room.spec(++lastId)
    await driver.prepare(desktop)
    writeFileSync(join(room.folder, `storage/overlays/1-${lastId}-overlay.qcow2`), 'no overlay')
    await expect(driver.boot(desktop)).rejects.toMatchObject({
      code: 'machine.failed',
      message: expect.stringContaining('Image is not in qcow2 format') as string,
    })
    expect(driver.observe(lastId).processes).toBe('absent')
  })

  test('that is emulated says so', async () => {
    const desktop = await up()
    const emulated = commandLine(room.pidOf(desktop.id)).includes('-accel tcg')
    expect(driver.warning?.(desktop) ?? 'none').toMatch(
      emulated ? /^the processor is emulated, .+: .+/ : /^none$/,
    )
  })
})
