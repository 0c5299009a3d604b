import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import { HkdMetrics } from '@ostler/proxy/hkd/hkd-metrics.ts'
import { Housekeeper } from '@ostler/proxy/hkd/housekeeper.ts'
import { enterWithFence } from '@ostler/proxy/hkd/lease/enter-with-fence.ts'
import { HostKeeper } from '@ostler/proxy/hkd/lease/host-keeper.ts'
import { leased } from '@ostler/proxy/hypervisor/fence/leased.ts'
import type { Hypervisor } from '@ostler/proxy/hypervisor/hypervisor.ts'
import type { HostClocks } from '@ostler/proxy/model/host-lease.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { confirmLost, declareLost, wishUpAgain } from '@ostler/proxy/store/host-service.ts'
import { HostTick } from '@ostler/proxy/store/host-tick.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish } from '@ostler/proxy/store/vms.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { ScriptedHypervisor } from '../fixtures/scripted-hypervisor.ts'
import { until } from '../fixtures/world.ts'

/** Two nodes with the real housekeeping and leases of seconds over one database; their desktops are scripts. */
const CLOCKS: HostClocks = { tickMs: 300, leaseMs: 4_000, lostAfterMs: 6_000 }
const PATIENCE_MS = 120_000

let database: TestDatabase
let db: Db
let scope = new Scope()
let desktops = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
})
afterEach(async () => {
  const closing = scope
  scope = new Scope()
  await closing.close()
  for (const table of ['home', 'vm', 'disk_image', 'flavour', 'users', 'host'] as const)
    await db.deleteFrom(table).execute()
})
afterAll(() => database[Symbol.asyncDispose]())

/** Drivers are objects of functions, which others are laid over. */
function asObject(driver: ScriptedHypervisor): Hypervisor {
  return {
    name: driver.name,
    prepare: () => driver.prepare(),
    boot: (spec) => driver.boot(spec),
    observe: (id) => driver.observe(id),
    powerOff: () => driver.powerOff(),
    kill: () => driver.kill(),
    release: () => driver.release(),
    reset: () => driver.reset(),
    written: () => driver.written(),
  }
}

/** When its fence has ended everything. */
class FencedHypervisor extends ScriptedHypervisor {
  endedAt: number | null = null
  /** It hears nothing: what it is told fails. */
  isDeaf = false
}

interface TestNode {
  readonly id: number
  readonly hypervisor: FencedHypervisor
  readonly keeper: HostKeeper
  /** Ends its hkd as a crash does: nothing is said to anybody. */
  readonly die: () => Promise<void>
}

async function startNode(name: string): Promise<TestNode> {
  const id = await registerHost(db, name, 100_000, 10)
  const hypervisor = new FencedHypervisor()
  const own = new Scope()
  let fence = Infinity
  const setFence = (time: number): Promise<{ endedAt: number | null }> => {
    if (hypervisor.isDeaf) return Promise.reject(new Error('the fence does not answer'))
    fence = time
    return Promise.resolve({ endedAt: hypervisor.endedAt })
  }
  const ticks = own.own(new HostTick(database.address('hkd'), id, 2_000))
  await enterWithFence({
    ...{ db, hostId: id, clocks: CLOCKS },
    fence: { set: setFence, close: () => setFence(-Infinity) },
    place: { address: '127.0.0.1', port: 1 },
  })
  const keeper = own.own(
    new HostKeeper({
      ...{ clocks: CLOCKS, setFence, log: silentLog },
      tick: (told) => ticks.tick(told),
      ask: () => Promise.resolve(undefined),
      declareLost: (standing, host) => declareLost(db, { id, standing }, host),
      onEnded: () => wishUpAgain(db, id),
      onLost: () => {},
    }),
  )
  await keeper.start()
  const housekeeper = new Housekeeper({
    ...{ db, hostId: id, balancer: leastLoaded, log: silentLog },
    lives: () => Promise.resolve(),
    mayRun: () => keeper.mayRun,
    hypervisors: { usual: 'simulated', by: () => leased(asObject(hypervisor), () => monotonicMs() < fence) },
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
    homesShared: true,
    imageGate: new Gate(1, 100),
    patience: { attempts: 10, ms: 320_000 },
    retries: { firstMs: 5_000, longestMs: 600_000, failuresMax: 5 },
    remindMs: 3_600_000,
    metrics: new HkdMetrics(() => Promise.resolve({})),
  })
  own.own(housekeeper)
  await setHostState(db, id, 'running')
  housekeeper.start()
  const look = (_: unknown, vm: number | undefined): void =>
    vm === undefined ? housekeeper.lookAtAll() : housekeeper.look(vm)
  own.own(listenForHints(database.address('hkd'), ['ostler_vm'], look, silentLog))
  own.defer(() => hypervisor.begun.forEach((vm) => hypervisor.end(vm)))
  const die = async (): Promise<void> => {
    hypervisor.begun.forEach((vm) => hypervisor.end(vm))
    await own.close()
  }
  scope.defer(die)
  return { id, hypervisor, keeper, die }
}

async function addDesktop(name: string): Promise<number> {
  const flavour = await addTestFlavour(db)
  await addImage(db, { flavourId: flavour, name, kind: 'tarball', path: `/srv/${name}.tar` }, {})
  const row = { name, user_id: await addTestUser(db), flavour_id: flavour, address: `10.0.0.${++desktops}` }
  return (await db.insertInto('vm').values(row).returning('id').executeTakeFirstOrThrow()).id
}

const hostOf = async (vm: number) =>
  await db
    .selectFrom('vm')
    .select(['state', 'host_id as hostId', 'epoch'])
    .where('id', '=', vm)
    .executeTakeFirstOrThrow()

async function acquainted(): Promise<void> {
  const know = async (): Promise<boolean> => {
    const rows = await db.selectFrom('host').select(['standing', 'told_standing as told']).execute()
    return rows.every((row) =>
      rows.every((other) => other === row || Number(row.told) >= Number(other.standing)),
    )
  }
  await until('each node to know of the other', know, PATIENCE_MS)
}

/** A desktop that runs on a node, as far as its row goes. */
async function runOn(node: TestNode, vm: number): Promise<void> {
  node.hypervisor.present.add(vm)
  for (const state of ['preparing', 'booting', 'running'] as const)
    await db
      .updateTable('vm')
      .set((eb) => ({ prior: eb.ref('state'), state, host_id: node.id, epoch: 1 }))
      .where('id', '=', vm)
      .execute()
}

test('a node that dies: its desktops start on the other one, once, and its late words count for nothing', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const vm = await addDesktop('desk')
  await runOn(a, vm)
  await a.die()
  await until('the other node to start it', () => b.hypervisor.begun.includes(vm), PATIENCE_MS)
  const row = await hostOf(vm)
  expect(row.hostId).toBe(b.id)
  expect(row.epoch).toBe(2)
  expect(b.hypervisor.begun.filter((id) => id === vm)).toHaveLength(1)
  const { numUpdatedRows } = await db
    .updateTable('vm')
    .set({ prior: 'running', state: 'stopping' })
    .where('id', '=', vm)
    .where('state', '=', 'running')
    .where('epoch', '=', 1)
    .executeTakeFirstOrThrow()
  expect(numUpdatedRows).toBe(0n)
  const log = await db
    .selectFrom('vm_log')
    .select(['event', 'state'])
    .where('vm_id', '=', vm)
    .orderBy('id')
    .execute()
  expect(log.slice(0, 3)).toEqual([
    { event: 'hostLost', state: 'lost' },
    { event: 'exited', state: 'stopped' },
    { event: 'start', state: 'preparing' },
  ])
})

test('a desktop that was told to stop while its node was dead stays stopped, and one told to run after that runs', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const [ended, again, other] = [
    await addDesktop('ended'),
    await addDesktop('again'),
    await addDesktop('other'),
  ]
  for (const vm of [ended, again, other]) await runOn(a, vm)
  await a.die()
  const tell = (vmId: number, kind: 'run' | 'stop') =>
    addWish(db, { vmId, kind, by: 'administrator', reason: 'meanwhile' })
  await tell(ended, 'stop')
  await tell(again, 'stop')
  await tell(again, 'run')
  await until(
    'the other node to start the others',
    () => [again, other].every((vm) => b.hypervisor.begun.includes(vm)),
    PATIENCE_MS,
  )
  const open = async () =>
    await db
      .selectFrom('wish')
      .select('kind')
      .where('vm_id', '=', ended)
      .where('closed_at', 'is', null)
      .execute()
  await until('its wishes to be served', async () => (await open()).length === 0, PATIENCE_MS)
  expect(b.hypervisor.begun).not.toContain(ended)
  expect(await hostOf(ended)).toMatchObject({ state: 'stopped', hostId: null })
})

test('a node that has said that it stops keeps its desktops, until an administrator says that it is off', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const vm = await addDesktop('desk')
  await runOn(a, vm)
  await setHostState(db, a.id, 'stopped')
  await a.die()
  const before = Date.now()
  await until(
    'more than the time of a node that is lost',
    () => Date.now() - before > 1.5 * CLOCKS.lostAfterMs,
    PATIENCE_MS,
  )
  expect(await hostOf(vm)).toMatchObject({ state: 'running', hostId: a.id })
  expect(await confirmLost(db, 'a')).toEqual({ freed: 1, again: 1 })
  expect(await confirmLost(db, 'a')).toBeUndefined()
  await until('the other node to start it', () => b.hypervisor.begun.includes(vm), PATIENCE_MS)
})

test('a home that lies on the dead node alone is not made anew elsewhere', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const [bound, free] = [await addDesktop('bound'), await addDesktop('free1')]
  for (const vm of [bound, free]) await runOn(a, vm)
  const desk = await db
    .selectFrom('vm')
    .select(['user_id', 'flavour_id'])
    .where('id', '=', bound)
    .executeTakeFirstOrThrow()
  await db
    .insertInto('home')
    .values({
      ...{
        user_id: desk.user_id,
        flavour_id: desk.flavour_id,
        login: 'ann',
        tenant: 'default',
        flavour: 'x',
      },
      ...{ kind: 'directory', path: 'ann', limit_mb: 0, made_at: new Date(), host_id: a.id },
      ...{ writer_vm: bound, writer_epoch: 1, writer_host: a.id },
    })
    .execute()
  await a.die()
  await until('the other node to start what it can', () => b.hypervisor.begun.includes(free), PATIENCE_MS)
  expect(b.hypervisor.begun).toEqual([free])
  expect(await hostOf(bound)).toMatchObject({ state: 'stopped', hostId: null })
  const home = await db
    .selectFrom('home')
    .select(['writer_vm', 'host_id'])
    .where('path', '=', 'ann')
    .executeTakeFirst()
  expect(home).toEqual({ writer_vm: null, host_id: a.id })
})

test('desktops that a fence has ended start anew when no other node has taken them', async () => {
  const a = await startNode('a')
  const vm = await addDesktop('desk')
  await runOn(a, vm)
  a.hypervisor.present.delete(vm)
  a.hypervisor.endedAt = monotonicMs()
  await until('it to start again', () => a.hypervisor.begun.includes(vm), PATIENCE_MS)
  const wishes = await db.selectFrom('wish').select(['by', 'reason']).where('vm_id', '=', vm).execute()
  expect(wishes).toEqual([{ by: 'node', reason: 'its node was cut off' }])
})

test('a fence that hung and then ended desktops under a living hkd: they did not end by themselves, and start anew', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const vm = await addDesktop('desk')
  await runOn(a, vm)
  a.hypervisor.isDeaf = true
  await until('the lease to be over', () => !a.keeper.mayRun, PATIENCE_MS)
  a.hypervisor.present.delete(vm)
  const endedAt = monotonicMs()
  await until('some time with nothing decided', () => monotonicMs() - endedAt > 3_000, PATIENCE_MS)
  expect(await hostOf(vm)).toMatchObject({ state: 'running', hostId: a.id, epoch: 1 })
  a.hypervisor.endedAt = endedAt
  a.hypervisor.isDeaf = false
  await until(
    'it to start again',
    () => [a, b].some(({ hypervisor }) => hypervisor.begun.includes(vm)),
    PATIENCE_MS,
  )
}, 300_000)

test('a node whose lease is over starts nothing, whatever its housekeeping decides', async () => {
  const hypervisor = new ScriptedHypervisor()
  const driver = leased(asObject(hypervisor), () => false)
  const spec = { id: 7 } as Parameters<typeof driver.boot>[0]
  await expect(driver.prepare(spec)).rejects.toMatchObject({ code: 'node.cutOff' })
  await expect(driver.boot(spec)).rejects.toMatchObject({ code: 'node.cutOff' })
  expect(hypervisor.begun).toEqual([])
})

test('a node that drains: blocked, it keeps what it has and gets nothing new', async () => {
  const [a, b] = [await startNode('a'), await startNode('b')]
  await acquainted()
  const kept = await addDesktop('kept')
  await runOn(a, kept)
  await db.updateTable('host').set({ blocked: true }).where('id', '=', a.id).execute()
  const vms = [await addDesktop('one'), await addDesktop('three')]
  for (const vmId of vms) await addWish(db, { vmId, kind: 'run', by: 'administrator', reason: 'qa' })
  await until('both to start', () => b.hypervisor.begun.length === 2, PATIENCE_MS)
  expect(a.hypervisor.begun).toEqual([])
  expect(await hostOf(kept)).toMatchObject({ state: 'running', hostId: a.id })
})
