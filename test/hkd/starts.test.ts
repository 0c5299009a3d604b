import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import { HkdMetrics } from '@ostler/proxy/hkd/hkd-metrics.ts'
import { Housekeeper } from '@ostler/proxy/hkd/housekeeper.ts'
import type { HypervisorKind } from '@ostler/proxy/model/hypervisor-kind.ts'
import { startOrder, startPlaces } from '@ostler/proxy/model/start-queue.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import {
  addWaitingWish,
  closeLapsedWishes,
  readStartQueue,
  renewWaitingWish,
  withdrawWish,
} from '@ostler/proxy/store/start-queue.ts'
import { addWish, wishOutcome } from '@ostler/proxy/store/vms.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { ScriptedHypervisor } from '../fixtures/scripted-hypervisor.ts'
import { until } from '../fixtures/world.ts'

/** The real housekeeping over a real database, with desktops whose starts end when the test says so. */
const AT_ONCE = 2

let database: TestDatabase
let db: Db
let hostId: number
let hypervisor: ScriptedHypervisor
/** Drivers that are not that one. */
let others: Partial<Record<HypervisorKind, ScriptedHypervisor>> = {}
let usual: HypervisorKind
let housekeeper: Housekeeper | undefined
let hints: AsyncDisposable | undefined
let ann: number
let bob: number
let flavour: number
let desktops = 0
/** Why nothing starts from an image, by its name. */
const holds = new Map<string, string>()

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const table of ['home', 'vm', 'disk_image', 'flavour', 'users', 'host'] as const)
    await db.deleteFrom(table).execute()
  hostId = await registerHost(db, 'node', 100_000, AT_ONCE)
  await setHostState(db, hostId, 'running')
  ann = await addTestUser(db)
  bob = await addTestUser(db)
  flavour = await addFlavour('plain')
  hypervisor = new ScriptedHypervisor()
  others = {}
  holds.clear()
  usual = 'simulated'
})
afterEach(async () => {
  for (const id of hypervisor.begun) hypervisor.end(id)
  await housekeeper?.[Symbol.asyncDispose]()
  await hints?.[Symbol.asyncDispose]()
  housekeeper = hints = undefined
})

async function addFlavour(image: string): Promise<number> {
  const id = await addTestFlavour(db)
  await addImage(db, { flavourId: id, name: image, kind: 'tarball', path: `/srv/${image}.tar` }, {})
  return id
}

async function addDesktop(userId: number, flavourId = flavour): Promise<number> {
  const number = ++desktops
  const row = {
    name: `desktop${number}`,
    user_id: userId,
    // Desktops of one user and one flavour share a home, which has one writer.
    flavour_id: flavourId === flavour ? await addFlavour(`plain${number}`) : flavourId,
    address: `10.0.0.${number}`,
  }
  return (await db.insertInto('vm').values(row).returning('id').executeTakeFirstOrThrow()).id
}

function start(): void {
  const begun = new Housekeeper({
    db,
    hostId,
    hypervisors: { usual, by: (kind) => others[kind] ?? hypervisor },
    balancer: leastLoaded,
    trust: {
      get own(): never {
        throw new Error('no desktop comes up here')
      },
      signAgent: () => Promise.reject(new Error('no desktop comes up here')),
      signConsole: () => {
        throw new Error('there are no consoles here')
      },
      issueDoorIdentity: () => Promise.resolve(),
    },
    run: '/nowhere',
    displayUid: 0,
    homesShared: false,
    holds: ({ name }) => holds.get(name),
    imageGate: new Gate(1, 100),
    patience: { attempts: 10, ms: 320_000 },
    retries: { firstMs: 5_000, longestMs: 600_000, failuresMax: 5 },
    remindMs: 3_600_000,
    metrics: new HkdMetrics(() => Promise.resolve({})),
    log: silentLog,
  })
  housekeeper = begun
  begun.start()
  const look = (_: unknown, id: number | undefined): void =>
    id === undefined ? begun.lookAtAll() : begun.look(id)
  hints = listenForHints(database.address('hkd'), ['ostler_vm'], look, silentLog)
}

/** Somebody waits for a desktop. */
const wait = (vmId: number): Promise<number> =>
  addWaitingWish(db, { vmId, by: 'ann', reason: 'connect', seconds: 60, connection: undefined })
const order = (vmId: number): Promise<number> =>
  addWish(db, { vmId, kind: 'run', by: 'administrator', reason: 'qa' })
const untilBegun = (count: number): Promise<void> =>
  until(`${count} starts to have begun`, () => hypervisor.begun.length >= count)
const stateOf = async (vmId: number): Promise<string> =>
  (await db.selectFrom('vm').select('state').where('id', '=', vmId).executeTakeFirstOrThrow()).state

const runBy = async (vmId: number): Promise<string | null> =>
  (await db.selectFrom('vm').select('hypervisor').where('id', '=', vmId).executeTakeFirstOrThrow()).hypervisor

describe('desktops start', () => {
  test('so many at once, in the order that the queue shows to whoever waits', async () => {
    const mine = [await addDesktop(ann), await addDesktop(ann), await addDesktop(ann)]
    const theirs = [await addDesktop(bob), await addDesktop(bob)]
    const spare = await addDesktop(bob)
    await order(spare)
    for (const id of [...mine, ...theirs]) await wait(id)
    const expected = startOrder(await readStartQueue(db))
    start()
    await untilBegun(AT_ONCE)
    const rest = startOrder(await readStartQueue(db))
    expect([...hypervisor.begun.toSorted(), ...rest].toSorted()).toEqual(expected.toSorted())
    expect(startPlaces(await readStartQueue(db)).get(rest[1] ?? 0)).toEqual({ kind: 'queued', position: 2 })
    for (let ended = 0; ended < expected.length; ended++) {
      const id = hypervisor.begun[ended] ?? 0
      // The place that is freed counts for its user no more.
      const queue = await readStartQueue(db)
      const starting = [...queue.startingUsers]
      starting.splice(starting.indexOf([...theirs, spare].includes(id) ? bob : ann), 1)
      const [next] = startOrder({ ...queue, startingUsers: starting })
      await until('the start to be under way', async () => (await stateOf(id)) === 'booting')
      hypervisor.end(id)
      if (next === undefined) continue
      await untilBegun(ended + AT_ONCE + 1)
      expect(hypervisor.begun[ended + AT_ONCE]).toBe(next)
    }
    expect(hypervisor.begun.toSorted()).toEqual(expected.toSorted())
    expect(hypervisor.most).toBe(AT_ONCE)
    expect(hypervisor.begun.at(-1)).toBe(spare)
  })

  test('not for a user who has gone, nor for one whose door is silent', async () => {
    const [one, two, gone, silent, last] = [
      await addDesktop(ann),
      await addDesktop(bob),
      await addDesktop(await addTestUser(db)),
      await addDesktop(await addTestUser(db)),
      await addDesktop(await addTestUser(db)),
    ]
    start()
    await wait(one)
    await wait(two)
    await untilBegun(AT_ONCE)
    const withdrawn = await wait(gone)
    const lapsed = await wait(silent)
    await wait(last)
    await withdrawWish(database.as('l7r'), withdrawn)
    await renewWaitingWish(database.as('l7r'), lapsed, 0)
    hypervisor.end(hypervisor.begun[0] ?? 0)
    hypervisor.end(hypervisor.begun[1] ?? 0)
    await untilBegun(AT_ONCE + 1)
    await closeLapsedWishes(db)
    expect(hypervisor.begun.at(-1)).toBe(last)
    expect(hypervisor.begun).toHaveLength(AT_ONCE + 1)
    expect(await wishOutcome(db, withdrawn)).toBe('withdrawn')
    expect(await wishOutcome(db, lapsed)).toBe('nobody waits any more')
    expect([await stateOf(gone), await stateOf(silent)]).toEqual(['stopped', 'stopped'])
  })

  test('again in the same order after the housekeeping was restarted', async () => {
    const ids = []
    for (let count = 0; count < 5; count++) ids.push(await addDesktop(await addTestUser(db)))
    start()
    for (const id of ids) await wait(id)
    await untilBegun(AT_ONCE)
    await housekeeper?.[Symbol.asyncDispose]()
    await hints?.[Symbol.asyncDispose]()
    const begun = [...hypervisor.begun]
    hypervisor = new ScriptedHypervisor()
    start()
    // Those that had begun are looked at again and keep their places.
    await untilBegun(AT_ONCE)
    expect(hypervisor.begun.toSorted()).toEqual(begun.toSorted())
    const [next] = startOrder(await readStartQueue(db))
    hypervisor.end(hypervisor.begun[0] ?? 0)
    await untilBegun(AT_ONCE + 1)
    expect(hypervisor.begun.at(-1)).toBe(next)
  })
})

describe('what runs a desktop', () => {
  test('is what its flavour names, else the node’s own, and its row says which', async () => {
    const machines = await addFlavour('machines')
    await db
      .updateTable('flavour')
      .set({ hypervisor: 'kvm', home_mb: 16 })
      .where('id', '=', machines)
      .execute()
    const [plain, machine] = [await addDesktop(ann), await addDesktop(bob, machines)]
    others.kvm = new ScriptedHypervisor()
    start()
    for (const id of [plain, machine]) await wait(id)
    await untilBegun(1)
    await until('the machine to begin', () => others.kvm?.begun.length === 1)
    expect([hypervisor.begun, others.kvm.begun]).toEqual([[plain], [machine]])
    expect([await runBy(plain), await runBy(machine)]).toEqual(['simulated', 'kvm'])
    others.kvm.end(machine)
  })

  test('stays what the row says until it has ended, whatever the node’s own is now', async () => {
    const id = await addDesktop(ann)
    start()
    await wait(id)
    await untilBegun(1)
    await housekeeper?.[Symbol.asyncDispose]()
    await hints?.[Symbol.asyncDispose]()
    const before = new ScriptedHypervisor()
    others.simulated = before
    usual = 'process'
    start()
    await until('its own driver to boot it again', () => before.begun.length === 1)
    expect(hypervisor.begun).toEqual([id])
    before.end(id)
    await until('it to have failed', async () => (await stateOf(id)) === 'failed')
    await wait(id)
    await untilBegun(2)
    expect(await runBy(id)).toBe('process')
  })
})

describe('a storage that lacks something', () => {
  test('keeps a start, says why, lets others pass, and the start comes by itself when it lacks nothing', async () => {
    const full = await addFlavour('full')
    const held = await addDesktop(ann, full)
    const other = await addDesktop(bob)
    holds.set('full', 'there is no room')
    start()
    await wait(held)
    await wait(other)
    await untilBegun(1)
    expect(hypervisor.begun).toEqual([other])
    const placeOf = async () => startPlaces(await readStartQueue(db)).get(held)
    expect(await placeOf()).toEqual({ kind: 'held', reason: 'there is no room' })
    holds.set('full', 'there is no room yet')
    await until('the other reason', async () => {
      const place = await placeOf()
      return place?.kind === 'held' && place.reason === 'there is no room yet'
    })
    holds.clear()
    await untilBegun(2)
    expect(hypervisor.begun).toEqual([other, held])
  })
})

describe('an image that must be unpacked', () => {
  test('is unpacked once, takes no place of a start, and lets others pass', async () => {
    const big = await addFlavour('big')
    const waiting = [
      await addDesktop(ann, big),
      await addDesktop(bob, big),
      await addDesktop(await addTestUser(db), big),
    ]
    const light = await addDesktop(await addTestUser(db))
    hypervisor.packed.add('big')
    start()
    for (const id of waiting) await wait(id)
    await until('the work to begin', () => hypervisor.unpacking.length === 1)
    await wait(light)
    await untilBegun(1)
    expect(hypervisor.begun).toEqual([light])
    expect(startPlaces(await readStartQueue(db)).get(waiting[0] ?? 0)).toEqual({
      kind: 'held',
      reason: 'the disk image big is being unpacked',
    })
    hypervisor.endWork('big')
    await untilBegun(2)
    expect(hypervisor.begun[1]).toBe(waiting[0])
    hypervisor.end(light)
    await untilBegun(3)
    expect(hypervisor.unpacking).toEqual(['big'])
    expect(hypervisor.most).toBe(AT_ONCE)
  })

  test('two images are unpacked one after the other where one at once is allowed', async () => {
    const [one, two] = [await addFlavour('one'), await addFlavour('two')]
    for (const name of ['one', 'two']) hypervisor.packed.add(name)
    start()
    await wait(await addDesktop(ann, one))
    await until('the first', () => hypervisor.unpacking.length === 1)
    const second = await addDesktop(bob, two)
    await wait(second)
    await until(
      'the second to be held',
      async () => startPlaces(await readStartQueue(db)).get(second)?.kind === 'held',
    )
    expect(hypervisor.unpacking).toEqual(['one'])
    hypervisor.endWork('one')
    await until('the second', () => hypervisor.unpacking.length === 2)
    hypervisor.endWork('two')
    await untilBegun(2)
  })

  test('and cannot be: whoever waits is told why, and nobody else is kept', async () => {
    const bad = await addFlavour('bad')
    hypervisor.packed.add('bad')
    const ids = [await addDesktop(ann, bad), await addDesktop(bob, bad)]
    start()
    const wishes = [await wait(ids[0] ?? 0), await wait(ids[1] ?? 0)]
    await until('the work to begin', () => hypervisor.unpacking.length === 1)
    await until(
      'both to wait for it',
      async () =>
        [...startPlaces(await readStartQueue(db)).values()].filter((place) => place.kind === 'held')
          .length === 2,
    )
    hypervisor.endWork('bad', 'the tarball is cut off')
    for (const wish of wishes)
      await until('it to be told', async () => (await wishOutcome(db, wish)) === 'the tarball is cut off')
    expect(await stateOf(ids[0] ?? 0)).toBe('stopped')
    await wait(await addDesktop(await addTestUser(db)))
    await untilBegun(1)
  })
})

test('a desktop whose old processes have not ended is passed, and says so', async () => {
  const [stuck, next, third] = [
    await addDesktop(ann),
    await addDesktop(bob),
    await addDesktop(await addTestUser(db)),
  ]
  hypervisor.present.add(stuck)
  start()
  await wait(stuck)
  await wait(next)
  await wait(third)
  await untilBegun(2)
  expect(hypervisor.begun.toSorted()).toEqual([next, third])
  expect(startPlaces(await readStartQueue(db)).get(stuck)).toEqual({
    kind: 'held',
    reason: 'processes of its last run have not ended yet',
  })
  hypervisor.present.delete(stuck)
  hypervisor.end(next)
  await untilBegun(3)
})

test('C-100 differs: of the nodes that run and are not blocked, the one with most memory left is chosen', async () => {
  // The original divides memory and cores by the number of desktops, however large they are and however many run.
  const roomier = async (name: string): Promise<number> => {
    const id = await registerHost(db, name, 200_000, AT_ONCE)
    await setHostState(db, id, 'running')
    return id
  }
  const [blocked, stopping, silent] = [
    await roomier('blocked'),
    await roomier('stopping'),
    await roomier('silent'),
  ]
  await db.updateTable('host').set({ blocked: true }).where('id', '=', blocked).execute()
  await setHostState(db, stopping, 'stopping')
  await db
    .updateTable('host')
    .set({ seen_at: new Date(0) })
    .where('id', '=', silent)
    .execute()
  start()
  const hostOf = async (vmId: number): Promise<number | null> =>
    (await db.selectFrom('vm').select('host_id').where('id', '=', vmId).executeTakeFirstOrThrow()).host_id
  const first = await addDesktop(ann)
  await wait(first)
  await untilBegun(1)
  expect(await hostOf(first)).toBe(hostId)
  const open = await roomier('open')
  const second = await addDesktop(bob)
  await wait(second)
  await until('it to be placed', async () => (await hostOf(second)) !== null)
  expect(await hostOf(second)).toBe(open)
})

test('C-101 no candidate: the wish is answered with the reason, and the row of the desktop stays as it was', async () => {
  const desktop = await addDesktop(ann)
  const row = await db.selectFrom('vm').selectAll().where('id', '=', desktop).executeTakeFirstOrThrow()
  start()
  const blocked = { blocked: true }
  for (const [host, reason] of [
    [blocked, 'no node takes desktops now'],
    [{ blocked: false, state: 'stopping' }, 'no node takes desktops now'],
    [{ state: 'running', memory_mb: 100 }, 'no node has enough memory free'],
  ] as const) {
    await db.updateTable('host').set(host).where('id', '=', hostId).execute()
    const wish = await wait(desktop)
    await until(reason, async () => (await wishOutcome(db, wish)) === reason)
    const now = await db.selectFrom('vm').selectAll().where('id', '=', desktop).executeTakeFirstOrThrow()
    expect(now).toEqual(row)
  }
  expect(hypervisor.begun).toEqual([])
})

test('a wish is not refused because the node has not said for a while that it lives: it asks itself', async () => {
  const desktop = await addDesktop(ann)
  await db
    .updateTable('host')
    .set({ seen_at: new Date(0) })
    .where('id', '=', hostId)
    .execute()
  const wish = await wait(desktop)
  start()
  await untilBegun(1)
  expect(hypervisor.begun).toEqual([desktop])
  expect(await wishOutcome(db, wish)).toBeUndefined()
})

test('C-102 differs: a start is a row that hints `ostler_vm`, and only its housekeeping writes where it runs', async () => {
  // The original writes a command and a node into the desktop's row; here everybody may wish, and hkd alone writes facts.
  const desktop = await addDesktop(ann)
  const heard: (number | undefined)[] = []
  await using _listening = listenForHints(
    database.address('hkd'),
    ['ostler_vm'],
    (_, id) => heard.push(id),
    silentLog,
  )
  await until('it to listen', () => heard.length === 1)
  await addWaitingWish(database.as('l7r'), {
    vmId: desktop,
    by: 'ann',
    reason: 'connect',
    seconds: 60,
    connection: undefined,
  })
  await until('the hint', () => heard.includes(desktop))
  for (const role of ['l7r', 'api'] as const)
    await expect(
      database.as(role).updateTable('vm').set({ host_id: hostId }).where('id', '=', desktop).execute(),
    ).rejects.toThrow(/permission denied/)
})

test('a door changes no wish but those of users who wait', async () => {
  const desktop = await addDesktop(ann)
  const l7r = database.as('l7r')
  const administrators = await order(desktop)
  const block = await addWish(db, { vmId: desktop, kind: 'block', by: 'administrator', reason: 'qa' })
  for (const wish of [administrators, block]) {
    await withdrawWish(l7r, wish)
    expect(await wishOutcome(db, wish)).toBeUndefined()
  }
  const own = await addWaitingWish(l7r, {
    vmId: desktop,
    by: 'ann',
    reason: 'connect',
    seconds: 60,
    connection: undefined,
  })
  await expect(
    l7r.updateTable('wish').set({ kind: 'fence' }).where('number', '=', own).execute(),
  ).rejects.toThrow(/permission denied/)
  await withdrawWish(l7r, own)
  expect(await wishOutcome(db, own)).toBe('withdrawn')
})
