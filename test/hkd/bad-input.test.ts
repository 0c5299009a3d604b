import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import type { DesktopSpec } from '@ostler/proxy/hypervisor/hypervisor.ts'
import { imageFolder } from '@ostler/proxy/hypervisor/image-folder.ts'
import { inTurn } from '@ostler/proxy/hypervisor/in-turn.ts'
import { guarded } from '@ostler/proxy/hypervisor/storage/guarded.ts'
import type { StorageFolders } from '@ostler/proxy/model/storage-layout.ts'
import { addDesktop, addFlavour, addUser } from '@ostler/proxy/store/admin.ts'
import { explainDesktop } from '@ostler/proxy/store/explanation.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage, changeDesktopTag } from '@ostler/proxy/store/images.ts'
import { migrate } from '@ostler/proxy/store/migrate.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish, wishOutcome } from '@ostler/proxy/store/vms.ts'
import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { subnetOf } from '@ostler/proxy/wiring/node-parts.ts'
import { sql } from 'kysely'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { keepHouseOver } from '../fixtures/kept-house.ts'
import { testTrust } from '../fixtures/trust.ts'
import { until } from '../fixtures/world.ts'
import { processRoom } from '../hypervisor/process-room.ts'
import { simulatedRoom } from '../hypervisor/simulated-room.ts'

/**
 * What an administrator gives that is wrong: each is refused with its cause and a cure, and nothing half-made is left. More of the same
 * kind: images in the staging folder (test/storage/bring.test.ts), disks of machines (test/hypervisor/kvm.test.ts), permissions
 * (test/storage/permissions.test.ts), a server's database (test/database/remote.test.ts).
 */

let database: TestDatabase
let db: Db
let folder: string
let tarball: string

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  await addUser(db, { tenantId: 1, role: 'user', login: 'ann', password: '' })
  await addFlavour(db, { name: 'plain', memoryMb: 256, cpuPercent: 100, isApplication: false, homeMb: 16 })
  await addDesktop(db, desktop('first', '10.3.15.20'), POOL)
  folder = mkdtempSync(join(tmpdir(), 'ostler-bad-input-'))
  const system = join(folder, 'system')
  mkdirSync(join(system, 'sbin'), { recursive: true })
  writeFileSync(join(system, 'sbin/init'), Buffer.alloc(200_000, 'init'))
  writeFileSync(join(system, 'sbin/more'), Buffer.alloc(200_000, 'more'))
  tarball = join(folder, 'system.tar.gz')
  await run('tar', ['--create', '--gzip', '--file', tarball, '--directory', system, '.'])
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const POOL = { start: '10.3.15.10', subnet: { gateway: '10.3.15.1', prefix: 24 } }

function desktop(name: string, address?: string) {
  return { name, tenantId: 1, user: 'ann', osf: 'plain', tag: 'default', address }
}

function image(kind: 'directory' | 'tarball', path: string): Pick<DesktopSpec, 'image'> {
  return { image: { id: 1, name: 'plain', kind, path } }
}

/** Unpacks where nothing but the images of this row lies. @returns what is left there after it has failed. */
async function unpack(
  kind: 'directory' | 'tarball',
  path: string,
  into = join(folder, 'images'),
): Promise<void> {
  try {
    await imageFolder(into, image(kind, path))
  } finally {
    expect(readdirSync(into)).toEqual([])
  }
}

interface Row {
  readonly wrong: string
  readonly code: FaultCode
  /** What the fault's sentence must name. */
  readonly names: RegExp
  readonly give: () => Promise<unknown>
}

const ROWS: readonly Row[] = [
  {
    wrong: 'a tarball that is cut off',
    code: 'image.unusable',
    names: /plain.*unpacking failed/,
    give: async () => {
      const broken = join(folder, 'broken.tar.gz')
      await run('cp', [tarball, broken])
      truncateSync(broken, 150)
      await unpack('tarball', broken)
    },
  },
  {
    wrong: 'a tarball that is none',
    code: 'image.unusable',
    names: /unpacking failed/,
    give: async () => {
      const text = join(folder, 'text.tar')
      writeFileSync(text, 'this is no tarball')
      await unpack('tarball', text)
    },
  },
  {
    wrong: 'an image that is not there',
    code: 'image.unusable',
    names: /\/nowhere\.tar does not exist/,
    give: () => unpack('tarball', '/nowhere.tar'),
  },
  {
    wrong: 'a folder that is no system',
    code: 'image.unusable',
    names: /has no sbin/,
    give: () => {
      mkdirSync(join(folder, 'empty'))
      return unpack('directory', join(folder, 'empty'))
    },
  },
  {
    wrong: 'a folder that is a file',
    code: 'image.unusable',
    names: /is no folder/,
    give: () => unpack('directory', tarball),
  },
  {
    wrong: 'no space for an image',
    code: 'image.unusable',
    names: /No space left on device/i,
    give: async () => {
      const small = join(folder, 'small')
      mkdirSync(small)
      await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'small', small])
      try {
        await unpack('tarball', tarball, small)
      } finally {
        await run('umount', [small])
      }
    },
  },
  {
    wrong: 'a storage folder that other users may pass',
    code: 'storage.permissions',
    names: /open\/overlayfs are wrong: other users may pass \(mode 0755\)/,
    give: () => prepareIn('open', 0o755),
  },
  {
    wrong: 'a storage folder of another user',
    code: 'storage.permissions',
    names: /foreign\/overlayfs are wrong: .* belongs to the user 1000/,
    give: () => prepareIn('foreign', 0o700, 1_000),
  },
  {
    wrong: 'the address of another desktop',
    code: 'address.taken',
    names: /10\.3\.15\.20/,
    give: () => unchanged(() => addDesktop(db, desktop('second', '10.3.15.20'), POOL)),
  },
  {
    wrong: 'an address outside of the network',
    code: 'address.outside',
    names: /10\.9\.9\.9/,
    give: () => unchanged(() => addDesktop(db, desktop('second', '10.9.9.9'), POOL)),
  },
  {
    wrong: 'a desktop for a user who is not there',
    code: 'object.unknown',
    names: /nobody/,
    give: () => unchanged(() => addDesktop(db, { ...desktop('second'), user: 'nobody' }, POOL)),
  },
  {
    wrong: 'a name twice',
    code: 'object.exists',
    names: /first/,
    give: () => unchanged(() => addDesktop(db, desktop('first'), POOL)),
  },
  {
    wrong: 'an image of a flavour that is not there',
    code: 'object.unknown',
    names: /osf/,
    give: () =>
      unchanged(() => addImage(db, { flavourId: 4_711, name: 'x', kind: 'tarball', path: '/x.tar' }, {})),
  },
  {
    wrong: 'a tag that no image has',
    code: 'image.tag',
    names: /nightly/,
    give: () => unchanged(() => changeDesktopTag(db, 1, 'nightly', {})),
  },
  {
    wrong: 'a database of a newer version',
    code: 'database.newer',
    names: /9999-from-the-future/,
    give: async () => {
      await sql`INSERT INTO ostler.kysely_migration (name, timestamp) VALUES ('9999-from-the-future', '')`.execute(
        db,
      )
      try {
        await migrate(db)
      } finally {
        await sql`DELETE FROM ostler.kysely_migration WHERE name = '9999-from-the-future'`.execute(db)
      }
    },
  },
  {
    wrong: 'a configuration with two bad values',
    code: 'config.invalid',
    names: /:1: l7r\.port[\s\S]*:2: hkd\.vm\.starting\.max/,
    give: () => configured('l7r.port = 84430\nhkd.vm.starting.max = many\n'),
  },
  {
    wrong: 'a network that is none',
    code: 'config.invalid',
    names: /vm\.network/,
    give: () => configured('vm.network.netmask = 255.0.255.0\n'),
  },
]

/** The rows of desktops and images are afterwards what they were. */
async function unchanged(give: () => Promise<unknown>): Promise<void> {
  const rows = async (): Promise<unknown> => [
    await db.selectFrom('vm').selectAll().execute(),
    await db.selectFrom('disk_image').selectAll().execute(),
    await db.selectFrom('image_tag').selectAll().execute(),
  ]
  const before = await rows()
  try {
    await give()
  } finally {
    expect(await rows()).toEqual(before)
  }
}

/** Prepares a desktop of a real driver whose overlays would be in such a folder; nothing may be written there. */
async function prepareIn(name: string, mode: number, uid = 0): Promise<void> {
  const root = join(folder, name)
  const folders = storageIn(root)
  for (const path of [folder, root, folders.overlayfs]) {
    mkdirSync(path, { recursive: true })
    chmodSync(path, path === folders.overlayfs ? mode : 0o755)
  }
  chownSync(folders.overlayfs, uid, 0)
  const room = await processRoom()
  const guard = { folders, overlays: folders.overlayfs, node: 'bad-input', mounts: [], logs: () => [] }
  const driver = guarded(room.open(), guard)
  const desktop = room.spec(1)
  try {
    await driver.prepare(desktop)
  } finally {
    await driver.release(desktop.id)
    expect(readdirSync(folders.overlayfs)).toEqual([])
    expect(room.remains()).toEqual([])
    await room[Symbol.asyncDispose]()
  }
}

function storageIn(root: string): StorageFolders {
  const at = (name: string): string => join(root, name)
  return {
    ...{ staging: at('staging'), images: at('images'), basefs: at('basefs') },
    ...{ overlayfs: at('overlayfs'), overlays: at('overlays'), homefs: at('homefs') },
  }
}

function configured(lines: string): Promise<unknown> {
  const file = join(folder, 'node.conf')
  writeFileSync(file, lines)
  chmodSync(file, 0o600)
  return Promise.resolve().then(() => subnetOf(loadNodeConfig(file).values))
}

test.each(ROWS)(
  '$wrong: refused with its cause and a cure, and nothing is left of it',
  async ({ code, names, give }) => {
    const fault = await give().then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(fault).toBeInstanceOf(Fault)
    if (!(fault instanceof Fault)) return
    expect(fault.code).toBe(code)
    expect(fault.message).toMatch(names)
    expect(fault.advice).not.toBe('')
  },
)

test('an image without an agent: its desktop is ended when its time to boot is over, with the cause and a cure', async () => {
  await using room = await simulatedRoom({ scripts: [{ script: { agentMs: null } }] })
  const hostId = await registerHost(db, 'node', 100_000, 6)
  await setHostState(db, hostId, 'running')
  const flavourId = await addTestFlavour(db)
  const image = { flavourId, name: `silent${flavourId}`, kind: 'instant', path: '/' } as const
  await addImage(db, image, {})
  const user = await addTestUser(db)
  const values = { name: image.name, flavour_id: flavourId, user_id: user, address: '10.3.15.99' }
  const { id } = await db.insertInto('vm').values(values).returning('id').executeTakeFirstOrThrow()
  const place = { database, hostId, trust: await testTrust(), kind: 'simulated', run: room.run } as const
  await using _house = keepHouseOver({ ...place, driver: inTurn(room.open()) })
  const wish = await addWish(db, { vmId: id, kind: 'run', by: 'administrator', reason: 'qa' })
  const row = () => db.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  await until('it to fail', async () => (await row()).state === 'failed', 180_000)
  const { fault, fault_code, fault_cure } = await row()
  expect(fault).toMatch(/^the desktop has booted for 60 s, and its agent has not started yet/)
  expect(fault_code).toBe('desktop.noAgent')
  expect(fault_cure).toContain('needs the agent')
  expect(await wishOutcome(db, wish)).toBe(fault)
  expect((await explainDesktop(db, id)).because.join(' ')).toContain('needs the agent')
  expect(room.remains()).toEqual([])
}, 240_000)
