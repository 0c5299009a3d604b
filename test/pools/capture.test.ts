import { CaptureKeeper } from '@ostler/proxy/hkd/capture-keeper.ts'
import type { DesktopSpec, Hypervisor } from '@ostler/proxy/hypervisor/hypervisor.ts'
import { copyDisk, makeOverlay } from '@ostler/proxy/hypervisor/kvm/disks.ts'
import { lxcHypervisor } from '@ostler/proxy/hypervisor/lxc/lxc.ts'
import { askForCapture, findCapture } from '@ostler/proxy/store/captures.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { testHome } from '../fixtures/home.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let db: Db
let host: number
let folder: string
let driver: Hypervisor
let spec: DesktopSpec
let keeper: CaptureKeeper
let last = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  host = await registerHost(db, 'node', 100_000, 10)
})
afterAll(() => database[Symbol.asyncDispose]())

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-capture-'))
  const image = join(folder, 'system')
  for (const [path, text] of Object.entries({
    'sbin/init': 'init',
    'usr/bin/office': 'version 1',
    'usr/bin/games': 'fun',
    'etc/machine-id': '',
  }))
    put(image, path, text)
  driver = lxcHypervisor({
    prefix: 'none-',
    ...{ run: join(folder, 'run'), lxcPath: join(folder, 'lxc'), logs: join(folder, 'logs') },
    ...{ images: join(folder, 'images'), overlays: join(folder, 'overlays'), homes: join(folder, 'homes') },
    bundle: join(folder, 'bundle'),
    network: { gateway: '10.5.0.1', prefix: 24, bridge: 'none', macPrefix: '54:52:00' },
    displayGid: 0,
    users: undefined,
    cgroups: { counted: join(folder, 'groups'), hierarchies: [] } as never,
  })
  const id = await addTestDesktop(db, `10.5.0.${++last}`)
  await db
    .updateTable('flavour')
    .set({ overlay: 'persistent' })
    .where('id', '=', db.selectFrom('vm').select('flavour_id').where('id', '=', id))
    .execute()
  spec = {
    ...{
      id,
      name: `desk${id}`,
      ownerId: 1,
      tenantId: 1,
      login: 'ann',
      address: `10.5.0.${last}`,
      overlay: 'persistent',
      epoch: 1,
      home: testHome(id),
    },
    flavour: { id: 1, memoryMb: 64, cpuPercent: 10 },
    image: { id: 1, name: 'system', kind: 'directory', path: image },
  }
  keeper = new CaptureKeeper({ db, hostId: host, golden: join(folder, 'golden'), log: silentLog })
})
afterEach(async () => {
  await driver.release(spec.id)
  rmSync(folder, { recursive: true, force: true })
})

function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

async function ask(tag: string | null = null): Promise<number> {
  const vm = await db
    .selectFrom('vm')
    .select('flavour_id')
    .where('id', '=', spec.id)
    .executeTakeFirstOrThrow()
  const order = { vmId: spec.id, flavourId: vm.flavour_id, version: `v${spec.id}`, tag }
  return await askForCapture(database.as('api'), order, 'administrator')
}
const capture = (signal = new AbortController().signal): Promise<boolean> =>
  keeper.captureIfAsked(spec, driver, signal)

describe('an image that is made of a desktop', () => {
  test('has what was installed, lacks what was removed, and is sealed; the desktop keeps what it has', async () => {
    await driver.prepare(spec)
    const upper = join(folder, 'overlays', `1-${spec.id}-overlayfs`, 'upper')
    put(upper, 'usr/bin/office', 'version 2')
    put(upper, 'etc/machine-id', '0123456789abcdef')
    put(upper, 'etc/ssh/ssh_host_rsa_key', 'secret')
    await run('mknod', [join(upper, 'usr/bin/games'), 'c', '0', '0']) // removed
    const number = await ask('gold')
    expect(await capture()).toBe(true)
    const state = await findCapture(db, number)
    expect(state).toMatchObject({ ended: true, stage: 'done', fault: null, version: `v${spec.id}` })
    const image = await db
      .selectFrom('disk_image')
      .selectAll()
      .where('name', '=', state.image ?? '')
      .executeTakeFirstOrThrow()
    expect(image.kind).toBe('directory')
    expect(readFileSync(join(image.path, 'usr/bin/office'), 'utf8')).toBe('version 2')
    expect(existsSync(join(image.path, 'usr/bin/games'))).toBe(false)
    expect(readFileSync(join(image.path, 'etc/machine-id'), 'utf8')).toBe('')
    expect(readdirSync(join(image.path, 'etc/ssh'))).toEqual([])
    expect(readFileSync(join(upper, 'etc/machine-id'), 'utf8')).toBe('0123456789abcdef')
    const tags = await db
      .selectFrom('image_tag')
      .select('tag')
      .where('disk_image_id', '=', image.id)
      .execute()
    expect(tags.map(({ tag }) => tag).sort()).toEqual(['default', 'gold', 'head', `v${spec.id}`])
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(join(folder, 'golden'))
  })

  test('is made once, also when hkd dies in the middle', async () => {
    await driver.prepare(spec)
    const number = await ask()
    const dying = new AbortController()
    dying.abort()
    expect(await capture(dying.signal)).toBe(false)
    expect(await findCapture(db, number)).toMatchObject({ ended: false, stage: 'copying' })
    expect(await capture()).toBe(true)
    expect(await capture()).toBe(true)
    expect(readdirSync(join(folder, 'golden'))).toEqual([`image-${number}`])
  })

  test('is another node’s to make: the desktop does not start meanwhile', async () => {
    await driver.prepare(spec)
    await ask()
    const other = await registerHost(db, 'other', 100_000, 10)
    await db.updateTable('capture').set({ host_id: other }).where('vm_id', '=', spec.id).execute()
    expect(await capture()).toBe(false)
  })

  test('waits where the node has nothing of the desktop', async () => {
    const number = await ask()
    expect(await capture()).toBe(true)
    expect(await findCapture(db, number)).toMatchObject({ ended: false })
  })

  test('waits while its storage is away, which is for a start to say', async () => {
    const number = await ask()
    const away = { ...driver, written: () => Promise.reject(new Error('nothing is mounted there')) }
    expect(await keeper.captureIfAsked(spec, away, new AbortController().signal)).toBe(true)
    expect(await findCapture(db, number)).toMatchObject({ ended: false })
  })
})

test('there is none of what keeps nothing, and the reason is told', async () => {
  const snapshots = await addTestDesktop(db, `10.5.0.${++last}`)
  const order = { vmId: snapshots, flavourId: 1, version: null, tag: null }
  await expect(askForCapture(database.as('api'), order, 'administrator')).rejects.toMatchObject({
    code: 'capture.failed',
  })
  await driver.prepare({
    ...spec,
    image: { id: 1, name: 'instant', kind: 'directory', path: spec.image.path },
  })
  spec = { ...spec, image: { ...spec.image, name: 'instant', kind: 'instant' } }
  const number = await ask()
  expect(await capture()).toBe(true)
  expect((await findCapture(db, number)).fault).toMatch(/instant image has the programs of its node/)
})

test('of a virtual machine: one disk that needs no other one and has the same content', async () => {
  const [base, overlay, target] = ['base', 'overlay', 'target'].map((name) =>
    join(folder, `${name}.qcow2`),
  ) as [string, string, string]
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', base, '4M'])
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 1 0 1M', base])
  await makeOverlay(overlay, { name: 'base', path: base, size: 4 * 2 ** 20 })
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 2 512k 1M', overlay])
  await copyDisk({ image: base, overlay }, target, new AbortController().signal)
  const { stdout } = await run('qemu-img', ['info', '--output=json', target])
  expect(stdout).not.toContain('backing')
  await run('qemu-img', ['compare', '-q', overlay, target])
})
