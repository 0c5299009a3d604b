import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { moveHome, removeHome } from '../../proxy/src/hypervisor/homes/home-moves.ts'
import { homeLockPath, lockHome } from '../../proxy/src/hypervisor/homes/home-lock.ts'
import { giveBackHomes, housed, type HousedSettings } from '../../proxy/src/hypervisor/homes/housed.ts'
import { growMountedHome } from '../../proxy/src/hypervisor/homes/home-image.ts'
import type { DesktopSpec, Hypervisor } from '../../proxy/src/hypervisor/hypervisor.ts'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { type Home, pooledHome } from '../../proxy/src/model/home.ts'
import { testHome, testHousing, mayGrowMounted } from '../fixtures/home.ts'
import { ScriptedHypervisor } from '../fixtures/scripted-hypervisor.ts'
import { type LxcRoom, lxcRoom, NUMBERS } from './lxc-room.ts'
import { mountsBelow } from './quiet-guest.ts'

const MB = 2 ** 20

let folder: string
let homes: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-homes-'))
  homes = join(folder, 'homes')
})
let opened: [Hypervisor, number][] = []
afterEach(async () => {
  for (const [driver, id] of opened) await driver.release(id)
  opened = []
  expect(mountsBelow(folder)).toEqual([])
  rmSync(folder, { recursive: true })
})

/** A node with these homes, whose desktops are only prepared. */
function node(name: string, more: Partial<HousedSettings> = {}): Hypervisor {
  const places = { run: join(folder, name), homes, node: name, kinds: ['directory', 'image'] as const }
  return housed(new ScriptedHypervisor(), testHousing({ ...places, ...more }))
}

function desktop(id: number, home: Home = testHome(id)): DesktopSpec {
  return {
    ...{
      id,
      epoch: 1,
      name: `desk-${id}`,
      tenantId: 1,
      ownerId: id,
      login: `user${id}`,
      address: '127.0.0.1',
    },
    flavour: { id: 1, memoryMb: 64, cpuPercent: 5 },
    image: { id: 1, name: 'none', kind: 'instant', path: '/' },
    home,
  }
}

async function prepare(driver: Hypervisor, spec: DesktopSpec): Promise<void> {
  opened.push([driver, spec.id])
  await driver.prepare(spec)
}

async function end(driver: Hypervisor, id: number): Promise<void> {
  await driver.release(id)
  opened = opened.filter((each) => each[0] !== driver || each[1] !== id)
}

describe('the lock beside a home', () => {
  test('keeps a second node with the same storage out, and names the first', async () => {
    const [first, second] = [node('first'), node('second')]
    const home = testHome(1)
    await prepare(first, desktop(1, home))
    await expect(prepare(second, desktop(1, home))).rejects.toMatchObject({
      code: 'home.taken',
      message: expect.stringMatching(/home 1, node first, desktop 1 desk-1, epoch 1, since 20/) as string,
    })
    await end(first, 1)
    await prepare(second, desktop(1, home))
  })

  test('outlives whoever took it: a node that was restarted has it still, and gives it back', async () => {
    const home = testHome(1)
    await prepare(node('first'), desktop(1, home))
    await expect(lockHome(join(homes, home.path))).rejects.toMatchObject({ code: 'home.taken' })
    await node('first').release(1)
    using lock = await lockHome(join(homes, home.path))
    expect(lock.madeFor).toBe(1)
  })

  test('of ten that take it at once one has it', async () => {
    const home = testHome(1)
    const nodes = Array.from({ length: 10 }, (_, at) => node(`node${at}`))
    const outcomes = await Promise.allSettled(nodes.map((each) => prepare(each, desktop(1, home))))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('of a home that was moved meanwhile is no lock', async () => {
    const path = join(homes, 'user1-1')
    const lock = await lockHome(path)
    lock.remove()
    expect(existsSync(homeLockPath(path))).toBe(false)
    using again = await lockHome(path)
    expect(again.madeFor).toBeUndefined()
  })
})

test('homes that a crash left open are given back with the node', async () => {
  const driver = node('a')
  await driver.prepare(desktop(1, testHome(1, 'image', 16)))
  await driver.prepare(desktop(2))
  expect(mountsBelow(folder)).toHaveLength(1)
  await giveBackHomes({ run: join(folder, 'a'), group: undefined })
  expect(mountsBelow(folder)).toEqual([])
  for (const { path } of [testHome(1, 'image'), testHome(2)]) {
    using lock = await lockHome(join(homes, path))
    expect(lock.madeFor).toBeDefined()
  }
})

describe('before a start', () => {
  test('a home that nobody has according to the database is not taken in silence', async () => {
    mkdirSync(join(homes, 'user1-1'), { recursive: true })
    await expect(prepare(node('a'), desktop(1))).rejects.toMatchObject({ code: 'home.orphan' })
    await prepare(node('a'), desktop(1, { ...testHome(1), isMade: true })) // it was adopted
  })

  test('a start that was cut short while it made a home goes on with it', async () => {
    const path = join(homes, 'user1-1')
    {
      using lock = await lockHome(path)
      lock.write(1, {})
    }
    mkdirSync(path)
    await prepare(node('a'), desktop(1))
    await expect(prepare(node('b'), desktop(2, { ...testHome(2), path: 'user1-1' }))).rejects.toMatchObject({
      code: 'home.taken',
    })
    await end(node('a'), 1)
    await expect(prepare(node('b'), desktop(2, { ...testHome(2), path: 'user1-1' }))).rejects.toMatchObject({
      code: 'home.orphan',
    })
  })

  test('a home that has been made and is not there is not made anew', async () => {
    const made = desktop(1, { ...testHome(1), isMade: true })
    await expect(prepare(node('a'), made)).rejects.toMatchObject({ code: 'home.missing' })
    expect(existsSync(join(homes, 'user1-1'))).toBe(false)
  })

  test('a home with the wrong owner, that others may write to, or that is a link, is refused with the cure', async () => {
    const path = join(homes, 'user1-1')
    const made = desktop(1, { ...testHome(1), isMade: true })
    const refusal = async (): Promise<string> =>
      await prepare(node('a'), made).then(
        () => 'nothing',
        (error: unknown) => `${(error as { code: string }).code}: ${String(error)}`,
      )
    mkdirSync(path, { recursive: true })
    chmodSync(path, 0o777)
    expect(await refusal()).toMatch(new RegExp(`^home.owner: .*cure: chmod go-w ${path}`))
    chmodSync(path, 0o755)
    chownSync(path, 1234, 1234)
    expect(await refusal()).toMatch(new RegExp(`^home.owner: .*user 1234, not to 0; cure: chown 0:0 ${path}`))
    rmSync(path, { recursive: true })
    symlinkSync('/etc', path)
    expect(await refusal()).toMatch(/^home.owner: .*it is no folder/)
    rmSync(path)
    mkdirSync(path)
    expect(await refusal()).toBe('nothing')
  })

  test('homes that are to lie on a mount must', async () => {
    const driver = node('a', { mustBeMounted: true })
    await expect(prepare(driver, desktop(1))).rejects.toMatchObject({ code: 'home.unmounted' })
    expect(existsSync(homes)).toBe(false)
    mkdirSync(homes)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'homes', homes])
    try {
      await prepare(driver, desktop(1))
      await end(driver, 1)
    } finally {
      await run('umount', [homes])
    }
  })

  test('a storage that takes nothing is a fault with its reason', async () => {
    mkdirSync(homes)
    await run('mount', ['-t', 'tmpfs', '-o', 'ro,size=4m', 'homes', homes])
    try {
      const refused = prepare(node('a'), desktop(1))
      await expect(refused).rejects.toMatchObject({
        code: 'home.failed',
        message: expect.stringContaining('read-only') as string,
      })
    } finally {
      await run('umount', [homes])
    }
  })

  test('homes within reach of other users are refused, and no home is made', async () => {
    chmodSync(folder, 0o755)
    mkdirSync(homes)
    await expect(prepare(node('a'), desktop(1))).rejects.toMatchObject({ code: 'storage.permissions' })
    expect(readdirSync(homes)).toEqual([])
    chmodSync(homes, 0o700)
    await prepare(node('a'), desktop(1))
  })

  test('a driver is not given a home that it cannot use', async () => {
    const driver = node('a', { kinds: ['directory'] })
    const refused = prepare(driver, desktop(1, testHome(1, 'image', 16)))
    await expect(refused).rejects.toMatchObject({ code: 'home.kind' })
  })
})

describe('a home of a size', () => {
  const imagePath = (): string => join(homes, 'user1-1.img')
  const mounted = (name: string): string => join(folder, name, 'homes/1/mount')

  test('takes no room until it is used, and is as large as its limit for whoever uses it', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 64)))
    const file = statSync(imagePath())
    expect([file.size, file.mode & 0o777]).toEqual([64 * MB, 0o600])
    expect(file.blocks * 512).toBeLessThan(16 * MB)
    const { stdout } = await run('findmnt', ['--noheadings', '--output', 'FSTYPE,OPTIONS', mounted('a')])
    expect(stdout).toMatch(/ext4 +rw,nosuid,nodev/)
  })

  test('that is full is full for its user, and nobody else', async () => {
    await prepare(node('a'), desktop(1, testHome(1, 'image', 16)))
    const file = join(mounted('a'), 'big')
    expect(() => writeFileSync(file, Buffer.alloc(20 * MB))).toThrow(/ENOSPC/)
    expect(statSync(imagePath()).size).toBe(16 * MB)
    writeFileSync(join(folder, 'beside'), Buffer.alloc(20 * MB))
  })

  test('grows with its limit at the next start, with what is in it, and never shrinks', async () => {
    const driver = node('a')
    const sizes: number[] = []
    for (const limit of [16, 48, 16]) {
      await prepare(driver, desktop(1, { ...testHome(1, 'image', limit), isMade: limit > 16 }))
      const kept = join(mounted('a'), 'kept')
      if (sizes.length === 0) writeFileSync(kept, 'mine')
      expect(readFileSync(kept, 'utf8')).toBe('mine')
      const { stdout } = await run('df', ['--block-size=1M', '--output=size', mounted('a')])
      sizes.push(Number(stdout.split('\n')[1]))
      await end(driver, 1)
    }
    const [first = 0, grown = 0, last] = sizes
    expect(grown).toBeGreaterThan(first * 2)
    expect(last).toBe(grown)
  })

  test('whose growing was cut short before the file system grew, grows at the next start', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 16)))
    await end(driver, 1)
    await run('truncate', ['--size=48M', imagePath()])
    await prepare(driver, desktop(1, testHome(1, 'image', 48)))
    const { stdout } = await run('df', ['--block-size=1M', '--output=size', mounted('a')])
    expect(Number(stdout.split('\n')[1])).toBeGreaterThan(30)
  })

  test('grows while its desktop has it, where this machine lets us, else at the next start', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 16)))
    const kept = openSync(join(mounted('a'), 'kept'), 'w')
    const outcome = await growMountedHome(imagePath(), 48).catch((error: unknown) => error)
    try {
      if (mayGrowMounted()) writeSync(kept, Buffer.alloc(24 * MB, 'x'))
      else writeSync(kept, 'x')
    } finally {
      closeSync(kept)
    }
    const refused = { code: 'home.failed', message: expect.stringContaining('Permission denied') as string }
    if (mayGrowMounted()) expect(outcome).toBe(true)
    else expect(outcome).toMatchObject(refused)
    expect(statSync(imagePath()).size).toBe(48 * MB)
    await end(driver, 1)
    expect(await growMountedHome(imagePath(), 64)).toBe(false)
    expect(statSync(imagePath()).size).toBe(48 * MB)
    await prepare(driver, desktop(1, { ...testHome(1, 'image', 48), isMade: true }))
    expect(statSync(join(mounted('a'), 'kept')).size).toBe(mayGrowMounted() ? 24 * MB : 1)
    writeFileSync(join(mounted('a'), 'much'), Buffer.alloc(16 * MB))
  })

  test('that cannot be mended is not mounted, and says so', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 16)))
    await end(driver, 1)
    writeFileSync(imagePath(), Buffer.alloc(16 * MB, 7))
    const again = prepare(driver, desktop(1, { ...testHome(1, 'image', 16), isMade: true }))
    await expect(again).rejects.toMatchObject({ code: 'home.damaged' })
    await end(driver, 1)
    expect(mountsBelow(folder)).toEqual([])
  })

  test('is not given back while somebody has it, and is later', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 16)))
    const user = spawn('sleep', ['60'], { cwd: mounted('a'), stdio: 'ignore' })
    try {
      await expect(driver.release(1)).rejects.toMatchObject({ code: 'home.failed' })
      await expect(lockHome(imagePath())).rejects.toMatchObject({ code: 'home.taken' })
    } finally {
      user.kill('SIGKILL')
      await new Promise((resolve) => user.once('exit', resolve))
    }
    await end(driver, 1)
    expect((await run('losetup', ['-j', imagePath()])).stdout).toBe('')
  })

  test('is not given back either while it is mounted where we do not see it', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1, testHome(1, 'image', 16)))
    const other = spawn('unshare', ['--mount', '--propagation', 'private', 'sleep', '60'], {
      stdio: 'ignore',
    })
    try {
      const mounts = (): string => readFileSync(`/proc/${other.pid ?? 0}/comm`, 'utf8')
      expect(await comesToHold(() => mounts() === 'sleep\n', 5_000, 20)).toBe(true)
      for (let attempt = 0; attempt < 2; attempt++)
        await expect(driver.release(1)).rejects.toMatchObject({ code: 'home.failed' })
      await expect(lockHome(imagePath())).rejects.toMatchObject({ code: 'home.taken' })
    } finally {
      other.kill('SIGKILL')
      await new Promise((resolve) => other.once('exit', resolve))
    }
    await end(driver, 1)
  }, 60_000)
})

describe('the home of a pool’s desktop', () => {
  const pooled = (id: number, homeMb = 0): DesktopSpec =>
    desktop(id, pooledHome({ id, epoch: 1, hypervisor: 'lxc', flavour: { homeMb } }))
  const file = (id: number): string => join(homes, '@pool', String(id), 'secret')

  test('is found again by its next boot, and is gone after a reset, with its lock', async () => {
    const driver = node('a')
    for (const id of [1, 11]) {
      await prepare(driver, pooled(id))
      writeFileSync(file(id), 'of the first')
      await end(driver, id)
    }
    await prepare(driver, pooled(1))
    expect(readFileSync(file(1), 'utf8')).toBe('of the first')
    await end(driver, 1)
    expect(await driver.written(1)).toEqual([join(homes, '@pool/1')])
    await driver.reset(1)
    expect(await driver.written(1)).toEqual([])
    expect(readdirSync(join(homes, '@pool')).toSorted()).toEqual(['11', '11.lock'])
  })

  test('goes whatever kinds it has had, and the home of a user stays', async () => {
    const driver = node('a')
    for (const spec of [pooled(1, 16), pooled(1), desktop(1)]) {
      await prepare(driver, spec)
      await end(driver, 1)
    }
    expect(await driver.written(1)).toHaveLength(2)
    await driver.reset(1)
    expect(await driver.written(1)).toEqual([])
    expect(existsSync(join(homes, 'user1-1'))).toBe(true)
  }, 30_000)

  test('is not removed while somebody writes to it', async () => {
    await prepare(node('a'), pooled(1))
    await expect(node('b').reset(1)).rejects.toMatchObject({ code: 'home.taken' })
    expect(await node('b').written(1)).toHaveLength(1)
  })

  test('is not said to be gone while its storage is away', async () => {
    const away = node('a', { mustBeMounted: true })
    await expect(away.written(1)).rejects.toMatchObject({ code: 'home.unmounted' })
    await expect(away.reset(1)).rejects.toMatchObject({ code: 'home.unmounted' })
  })
})

test('whoever is behind hears that a boot has failed', async () => {
  const heard: unknown[] = []
  const inner = new ScriptedHypervisor()
  inner.release = (...words: unknown[]) => {
    heard.push(words)
    return Promise.resolve()
  }
  const failed = { epoch: 3, fault: 'no init' }
  await housed(inner, testHousing({ run: folder, homes, kinds: ['directory'] })).release(1, failed)
  expect(heard).toEqual([[1, failed]])
})

describe('a home on its way', () => {
  test('is moved once, and a move that was cut short anywhere is ended', async () => {
    const path = join(homes, 'user1-1')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'kept'), 'mine')
    writeFileSync(homeLockPath(path), 'home 1\n')
    const move = (): Promise<boolean> => moveHome(homes, 'user1-1', 'trash/1-user1-1')
    expect(await move()).toBe(true)
    writeFileSync(homeLockPath(path), 'home 1\n') // as if we had died before this was removed
    expect(await move()).toBe(true)
    expect(existsSync(homeLockPath(path))).toBe(false)
    expect(readFileSync(join(homes, 'trash/1-user1-1/kept'), 'utf8')).toBe('mine')
    writeFileSync(homeLockPath(join(homes, 'nowhere')), 'home 2\n')
    expect(await moveHome(homes, 'nowhere', 'trash/2-nowhere')).toBe(false)
    expect(existsSync(homeLockPath(join(homes, 'nowhere')))).toBe(false)
  })

  test('is neither moved nor removed while somebody writes to it, nor moved over another', async () => {
    const driver = node('a')
    await prepare(driver, desktop(1))
    await expect(moveHome(homes, 'user1-1', 'trash/1')).rejects.toMatchObject({ code: 'home.taken' })
    await expect(removeHome(homes, 'user1-1')).rejects.toMatchObject({ code: 'home.taken' })
    await end(driver, 1)
    mkdirSync(join(homes, 'trash/1'), { recursive: true })
    await expect(moveHome(homes, 'user1-1', 'trash/1')).rejects.toMatchObject({ code: 'home.refused' })
    await removeHome(homes, 'user1-1')
    await removeHome(homes, 'user1-1')
    expect(existsSync(join(homes, 'user1-1'))).toBe(false)
  })
})

describe('a container', () => {
  let room: LxcRoom
  beforeAll(async () => {
    room = await lxcRoom(NUMBERS, (id) => testHome(id, 'image', 16))
  })
  afterAll(() => room[Symbol.asyncDispose]())

  test('has a home of a size: what fills it is its own, and brings no device and no set-user-id program', async () => {
    const driver = inTurn(room.open())
    const spec = room.spec(900)
    await driver.prepare(spec)
    try {
      await driver.boot(spec)
      await expect(room.files?.write(900, '/home/big', 'x'.repeat(20 * MB))).rejects.toThrow(/No space left/)
      const mounts = (await room.files?.read(900, '/proc/1/mounts')) ?? ''
      expect(mounts).toMatch(/ \/home ext4 rw,nosuid,nodev/)
    } finally {
      await driver.kill(900)
      await comesToHold(() => driver.observe(900).processes === 'absent', 5_000, 20)
      await driver.release(900)
    }
    expect(statSync(join(room.places.homes, spec.home.path)).size).toBe(16 * MB)
    expect(room.remains()).toEqual([])
  })
})
