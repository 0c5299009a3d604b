import { Fault } from '@ostler/contract/fault.ts'
import { isAlive, identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import type { DesktopSpec, Hypervisor, SystemSpec } from '@ostler/proxy/hypervisor/hypervisor.ts'
import { inTurn } from '@ostler/proxy/hypervisor/in-turn.ts'
import { overlayFolder, overlaysOf, removeOverlays } from '@ostler/proxy/hypervisor/overlays.ts'
import { guarded, logsOf, type StorageGuard } from '@ostler/proxy/hypervisor/storage/guarded.ts'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { testHome } from '../fixtures/home.ts'
import { openStorageRoom, type StorageRoom } from '../fixtures/storage-room.ts'

/** What surrounds every driver that has a storage, around one that only notes what it is told. */
let room: StorageRoom
let inner: NotingDriver
let kept: string[]
beforeEach(async () => {
  room = await openStorageRoom()
  inner = new NotingDriver(room.folders.overlayfs)
  kept = []
})
afterEach(async () => {
  for (const node of ['one', 'two']) for (const id of [17, 18]) await driver(node).release(id)
  await room[Symbol.asyncDispose]()
})

/** Writes an overlay as a container's driver does, and may fail at a verb. */
class NotingDriver implements Hypervisor {
  readonly name = 'noting'
  readonly specs: DesktopSpec[] = []
  readonly captured: SystemSpec[] = []
  failsAt: 'prepare' | undefined
  readonly #overlays: string
  constructor(overlays: string) {
    this.#overlays = overlays
  }
  prepare = (spec: DesktopSpec): Promise<void> => {
    this.specs.push(spec)
    const upper = join(overlayFolder(this.#overlays, spec), 'upper')
    mkdirSync(upper, { recursive: true })
    writeFileSync(join(upper, 'written'), `boot ${spec.epoch}`)
    return this.failsAt === 'prepare' ? Promise.reject(new Error('as told')) : Promise.resolve()
  }
  boot = (spec: DesktopSpec): Promise<void> => {
    this.specs.push(spec)
    return Promise.resolve()
  }
  observe = () => ({ processes: 'absent' }) as const
  powerOff = (): Promise<void> => Promise.resolve()
  kill = (): Promise<void> => Promise.resolve()
  release = (): Promise<void> => Promise.resolve()
  reset = (id: number): Promise<void> => removeOverlays(this.#overlays, id)
  written = (id: number) => Promise.resolve(overlaysOf(this.#overlays, id))
  capture = (taken: SystemSpec) => {
    this.captured.push(taken)
    return Promise.resolve('directory' as const)
  }
}

function driver(node = 'one', changed: Partial<StorageGuard> = {}): Hypervisor {
  return inTurn(
    guarded(inner, {
      folders: room.folders,
      overlays: room.folders.overlayfs,
      node,
      mounts: [],
      logs: (id) => logsOf(room.root, `d-${id}`),
      onKept: ({ epoch }, { folder }) => {
        kept.push(`${epoch} ${folder}`)
        return Promise.resolve()
      },
      ...changed,
    }),
  )
}

function spec(id = 17, epoch = 1): DesktopSpec {
  return {
    ...{ id, epoch, name: 'desk', ownerId: 1, tenantId: 1, login: 'ann', address: '10.0.0.1' },
    flavour: { id: 1, memoryMb: 64, cpuPercent: 10 },
    home: testHome(id),
    image: { id: 3, name: 'instant', kind: 'instant', path: '/' },
  }
}

function lockFile(id = 17): string {
  return join(room.folders.overlayfs, `lock.${id}-overlay`)
}

function keeper(id = 17): ProcessIdentity {
  const { pid } = JSON.parse(readFileSync(lockFile(id), 'utf8')) as { pid: number }
  const found = identify(pid)
  if (found === undefined) throw new Error('nobody holds the lock')
  return found
}

/** Whether another program could take the lock. */
function isFree(id = 17): Promise<boolean> {
  return run('flock', ['--exclusive', '--nonblock', lockFile(id), 'true']).then(
    () => true,
    () => false,
  )
}

describe('the lock of an overlay', () => {
  test('is held from before it is made until its desktop is released, and says by whom', async () => {
    await driver().prepare(spec())
    expect(await isFree()).toBe(false)
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toMatchObject({ node: 'one', vm: 17, epoch: 1 })
    await driver().release(17)
    expect(await isFree()).toBe(true)
  })

  test('keeps another node from the same overlay, which then touches nothing', async () => {
    await driver('one').prepare(spec())
    const refused = driver('two').prepare(spec(17, 9))
    await expect(refused).rejects.toMatchObject({ code: 'overlay.locked' })
    await expect(refused).rejects.toThrow('node one, for boot 1 of desktop 17')
    await driver('two').release(17, { epoch: 9, fault: 'locked' })
    expect(kept).toEqual([])
    expect(readFileSync(join(room.folders.overlayfs, '3-17-overlayfs/upper/written'), 'utf8')).toBe('boot 1')
    expect(await isFree()).toBe(false)
    await driver('one').release(17)
    await driver('two').prepare(spec(17, 10))
  })

  test('outlives the driver: one that was started anew knows it for its own', async () => {
    await driver().prepare(spec(17, 1))
    const first = keeper()
    await driver().prepare(spec(17, 2))
    expect(isAlive(first)).toBe(false)
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toMatchObject({ epoch: 2 })
    expect(await isFree()).toBe(false)
  })

  test('ends with who holds it', async () => {
    await driver('one').prepare(spec())
    signalProcess(keeper(), 'SIGKILL')
    expect(await comesToHold(() => isFree(), 5_000, 20)).toBe(true)
    await driver('two').prepare(spec(17, 2))
  })

  test('is of one desktop alone', async () => {
    await driver('one').prepare(spec(17))
    await driver('two').prepare(spec(18))
  })

  test('that somebody holds who does not say so refuses too', async () => {
    writeFileSync(lockFile(), 'nonsense')
    const other = run('flock', ['--exclusive', lockFile(), 'sleep', '1.5'])
    await comesToHold(async () => !(await isFree()), 5_000, 20)
    await expect(driver().prepare(spec())).rejects.toThrow('somebody who does not say so')
    await other
    await driver().prepare(spec())
  })
})

describe('an overlay that goes with a user', () => {
  const hers = (id: number): DesktopSpec => ({ ...spec(id), overlay: 'user' })

  test('is locked for all of her desktops of the flavour, and for nobody else’s', async () => {
    await driver('one').prepare(hers(17))
    await expect(driver('two').prepare(hers(18))).rejects.toThrow('node one, for boot 1 of desktop 17')
    await driver('two').prepare({ ...hers(18), ownerId: 2 })
    await driver('two').release(18)
    await driver('one').release(17)
    await driver('two').prepare(hers(18))
  })

  test('stays where a desktop of hers is reset, or its start has failed', async () => {
    await driver().prepare(hers(17))
    await driver().release(17, { epoch: 1, fault: 'as told' })
    await driver().reset(17)
    expect(await driver().written(17)).toEqual([])
    expect(readdirSync(room.folders.overlayfs)).toContain('3-user-1-1-overlayfs')
    expect(kept).toEqual([])
  })

  test('is not copied while one of her desktops has it', async () => {
    await driver('one').prepare(hers(18))
    const copy = () => driver('two').capture?.(hers(17), room.root, new AbortController().signal)
    await expect(copy()).rejects.toMatchObject({ code: 'overlay.locked' })
    await driver('one').release(18)
    expect(await copy()).toBe('directory')
    expect(inner.captured).toHaveLength(1)
  })
})

describe('a reset', () => {
  test('removes nothing that another node has, and says so', async () => {
    await driver('one').prepare(spec())
    await expect(driver('two').reset(17)).rejects.toMatchObject({ code: 'overlay.locked' })
    expect(await driver('one').written(17)).toHaveLength(1)
    await driver('one').release(17)
    await driver('two').reset(17)
    expect(await driver('one').written(17)).toEqual([])
  })

  test('takes along what an earlier one that was cut off has left', async () => {
    for (const name of ['deleteme-3-17-overlayfs-99', 'deleteme-17-98', '17', '4-17-overlayfs'])
      room.write(`overlayfs/${name}/upper/x`)
    room.write('overlayfs/deleteme-3-18-overlayfs-99/x')
    expect(await driver().written(17)).toHaveLength(4)
    await driver().reset(17)
    expect(await driver().written(17)).toEqual([])
    expect(await driver().written(18)).toHaveLength(1)
  })

  test('is not made, and nothing found empty, while a folder that must be a mount is none', async () => {
    const away = driver('one', { mounts: [room.folders.overlayfs] })
    await expect(away.reset(17)).rejects.toMatchObject({ code: 'storage.notMounted' })
    await expect(away.written(17)).rejects.toMatchObject({ code: 'storage.notMounted' })
  })
})

test('an image that a copy is made over is found where it is', async () => {
  await room.pack('images/3-office.tar', ['sbin/init'])
  const image = { id: 3, name: 'office', kind: 'tarball', path: 'office.tar' } as const
  await driver().capture?.({ ...spec(), image }, room.root, new AbortController().signal)
  expect(inner.captured.map((each) => each.image.path)).toEqual([join(room.folders.images, '3-office.tar')])
})

describe('a start that failed', () => {
  async function fail(epoch: number): Promise<void> {
    await driver().prepare(spec(17, epoch))
    writeFileSync(join(room.root, 'd-17-console.log'), `console of ${epoch}`)
    await driver().release(17, { epoch, fault: `fault of ${epoch}` })
  }
  const failed = (): string => join(room.folders.overlayfs, 'failed')

  test('leaves its overlay, its console and the reason', async () => {
    await fail(4)
    const folder = join(failed(), '17-4')
    expect(kept).toEqual([`4 ${folder}`])
    expect(readdirSync(folder).toSorted()).toEqual(['3-17-overlayfs', 'd-17-console.log', 'fault.txt'])
    expect(readFileSync(join(folder, '3-17-overlayfs/upper/written'), 'utf8')).toBe('boot 4')
    expect(readFileSync(join(folder, 'fault.txt'), 'utf8')).toBe('fault of 4\n')
    expect(readFileSync(join(folder, 'd-17-console.log'), 'utf8')).toBe('console of 4')
    expect(existsSync(join(room.folders.overlayfs, '3-17-overlayfs'))).toBe(false)
  })

  test('is kept also when it failed before anything ran', async () => {
    inner.failsAt = 'prepare'
    await expect(driver().prepare(spec())).rejects.toThrow('as told')
    await driver().release(17, { epoch: 1, fault: 'as told' })
    expect(readdirSync(failed())).toEqual(['17-1'])
  })

  test('is kept three times, the newest, and once however often it is said', async () => {
    for (const epoch of [8, 9, 10, 11]) await fail(epoch)
    await driver().release(17, { epoch: 11, fault: 'again' })
    expect(readdirSync(failed()).toSorted()).toEqual(['17-10', '17-11', '17-9'])
    expect(readFileSync(join(failed(), '17-11/fault.txt'), 'utf8')).toBe('fault of 11\n')
  })

  test('is not kept when it was no failure', async () => {
    await driver().prepare(spec())
    await driver().release(17)
    expect(existsSync(failed())).toBe(false)
    expect(existsSync(join(room.folders.overlayfs, '3-17-overlayfs'))).toBe(true)
  })
})

describe('before a start', () => {
  test('a folder that must be a mount and is none is refused, until it is', async () => {
    const mounts = [room.folders.homefs]
    const refused = driver('one', { mounts }).prepare(spec())
    await expect(refused).rejects.toMatchObject({ code: 'storage.notMounted' })
    await expect(refused).rejects.toThrow('nothing is mounted there')
    expect(inner.specs).toEqual([])
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'ostler-test', room.folders.homefs])
    try {
      await driver('one', { mounts }).prepare(spec())
      await driver().release(17)
    } finally {
      await run('umount', [room.folders.homefs])
    }
    await expect(driver('one', { mounts: [join(room.root, 'missing')] }).prepare(spec())).rejects.toThrow(
      'it does not exist',
    )
  })

  test('an image from the staging folder is found by its name, and its driver is told where', async () => {
    await room.pack('images/3-office.tar.gz', ['sbin/init'], 'gzip')
    const image = { id: 3, name: 'office', kind: 'tarball', path: 'office.tar.gz' } as const
    const desktop = { ...spec(), image }
    await driver().imageWork?.(desktop)?.()
    expect(driver().imageWork?.(desktop)).toBeUndefined()
    await driver().prepare(desktop)
    await driver().boot(desktop)
    const placed = { path: join(room.folders.images, '3-office.tar.gz'), unpackedName: '3-office' }
    expect(inner.specs.map((each) => each.image)).toEqual([
      { ...image, ...placed },
      { ...image, ...placed },
    ])
  })

  test('an image that was changed on the disk is refused before anything is made', async () => {
    const path = await room.pack('office.tar', ['sbin/init'])
    const desktop = { ...spec(), image: { id: 3, name: 'office', kind: 'tarball', path } as const }
    await driver().imageWork?.(desktop)?.()
    writeFileSync(path, 'another one')
    await expect(driver().prepare(desktop)).rejects.toBeInstanceOf(Fault)
    await expect(driver().prepare(desktop)).rejects.toMatchObject({ code: 'image.changed' })
    expect(inner.specs).toEqual([])
    expect(existsSync(lockFile())).toBe(false)
  })

  test('what was unpacked of another archive than the image is refused, what QVD has unpacked is not', async () => {
    await room.pack('images/3-office.tar', ['sbin/init'])
    room.write('basefs/3-office/sbin/init')
    const image = { id: 3, name: 'office', kind: 'tarball', path: 'office.tar' } as const
    await driver().prepare({ ...spec(), image })
    const manifest = join(room.folders.basefs, '.3-office.manifest')
    const known = readFileSync(manifest, 'utf8')
    writeFileSync(manifest, known.replace(/"[0-9a-f]{64}"/, `"${'0'.repeat(64)}"`))
    await expect(driver().prepare({ ...spec(), image })).rejects.toMatchObject({ code: 'image.changed' })
  })

  test('an image that hkd could not bring is refused with the reason', async () => {
    const refuses = (): string => 'its SHA-256 is another one'
    const refused = driver('one', { refuses }).prepare(spec())
    await expect(refused).rejects.toThrow('instant cannot be used: its SHA-256 is another one')
  })
})
