import { silentLog } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { enterGroup } from '@ostler/proxy/hypervisor/desktop-group.ts'
import { Fence } from '@ostler/proxy/hypervisor/fence/fence.ts'
import { FenceLink } from '@ostler/proxy/hypervisor/fence/fence-link.ts'
import { serveFence } from '@ostler/proxy/hypervisor/fence/fence-server.ts'
import { cgroupLayout, observeGroup, removeGroups } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import { lockOverlay, overlayKeepersOf } from '@ostler/proxy/hypervisor/storage/overlay-lock.ts'
import { HOST_CLOCKS } from '@ostler/proxy/model/host-lease.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { testTrust } from '../fixtures/trust.ts'
import { until } from '../fixtures/world.ts'
import type { LeasedNodeSettings } from './leased-node.ts'

/**
 * Two nodes over one PostgreSQL, each hkd's lease in a process of its own, with the clocks of service. One has a real fence before
 * real processes in a real control group, a mount and a lock.
 */
const LAYOUT = cgroupLayout()
const PREFIX = `leased${process.pid}-`
/** How much longer everything may take on a machine that has much to do. */
const PATIENCE_MS = 120_000

let database: TestDatabase
let db: Db
let identity: LeasedNodeSettings['identity']
const folder = mkdtempSync(join(tmpdir(), 'ostler-lease-'))
let scope = new Scope()

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  identity = (await testTrust()).own
})
afterEach(async () => {
  await scope.close()
  scope = new Scope()
  await db.deleteFrom('vm').execute()
  await db.deleteFrom('host').execute()
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface RunningNode {
  readonly id: number
  readonly process: ChildProcess
  /** When each event was said, by the kernel's monotonic clock. */
  readonly events: { readonly at: number; readonly event: string }[]
}

/** @param host where it finds the database; without: where that is. */
async function startNode(name: string, fence: string, host?: string): Promise<RunningNode> {
  const hostId = await registerHost(db, name, 10_000, 6)
  const file = join(folder, `${name}.json`)
  const settings: LeasedNodeSettings = {
    address: { ...database.address('hkd'), ...(host === undefined ? {} : { host }) },
    hostId,
    node: name,
    identity,
    fence,
  }
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
  const child = spawn(process.execPath, [join(import.meta.dirname, 'leased-node.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  scope.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const events: { at: number; event: string }[] = []
  createInterface(child.stdout).on('line', (line) => {
    const [at = '', ...words] = line.split(' ')
    events.push({ at: Number(at), event: words.join(' ') })
  })
  const node = { id: hostId, process: child, events }
  await happened(node, 'in service')
  return node
}

const last = (node: RunningNode, event: string): number | undefined =>
  node.events.findLast((said) => said.event === event)?.at

async function happened(node: RunningNode, event: string): Promise<number> {
  await until(event, () => last(node, event) !== undefined, PATIENCE_MS)
  return last(node, event) ?? 0
}

/** A way to the database that can be cut: what was under way hangs, as with a cable that was pulled. */
async function wayToDatabase(): Promise<{ readonly host: string; readonly cut: () => void }> {
  const host = join(folder, 'way')
  mkdirSync(host)
  const socketName = '.s.PGSQL.5432'
  const pairs = new Set<readonly [Socket, Socket]>()
  let isCut = false
  const server = createServer((near) => {
    const far = connect(join(database.address('hkd').host, socketName))
    pairs.add([near, far])
    for (const end of [near, far]) end.on('error', () => {})
    if (isCut) return
    near.pipe(far)
    far.pipe(near)
  })
  server.listen(join(host, socketName))
  await once(server, 'listening')
  scope.defer(() => {
    server.close()
    for (const end of [...pairs].flat()) end.destroy()
    rmSync(host, { recursive: true })
  })
  const cut = (): void => {
    isCut = true
    for (const [near, far] of pairs) {
      near.unpipe()
      far.unpipe()
    }
  }
  return { host, cut }
}

/** Both know of each other: each has ticked with that. */
async function acquainted(): Promise<void> {
  await until(
    'each node to know of the other',
    async () => {
      const rows = await db.selectFrom('host').select(['standing', 'told_standing as told']).execute()
      return rows.every((row) =>
        rows.every((other) => other === row || Number(row.told) >= Number(other.standing)),
      )
    },
    PATIENCE_MS,
  )
}

interface Seen {
  endedAt: number | undefined
}

/** A fence whose node has nothing but a note of when it was ended. */
async function plainFence(
  name: string,
): Promise<{ readonly socket: string; readonly seen: Seen; readonly fence: Fence }> {
  const seen: Seen = { endedAt: undefined }
  const fence = new Fence({
    file: join(folder, `${name}.fence.json`),
    end: () => {
      seen.endedAt ??= monotonicMs()
      return Promise.resolve()
    },
    reopen: () => Promise.resolve(),
    log: silentLog,
  })
  scope.own(fence)
  const socket = join(folder, `${name}.sock`)
  scope.own(await serveFence(fence, socket))
  return { socket, seen, fence }
}

/** PostgreSQL's first process and all that it has started. */
function serverProcesses(): ProcessIdentity[] {
  const first = Number(
    readFileSync(join(database.address('hkd').host, 'data/postmaster.pid'), 'utf8').split('\n')[0],
  )
  const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').split(' ').filter(Boolean)
  return [first, ...children.map(Number)].flatMap((pid) => identify(pid) ?? [])
}

const stateOf = async (id: number): Promise<string> =>
  (await db.selectFrom('host').select('state').where('id', '=', id).executeTakeFirstOrThrow()).state

/** A desktop that runs on a node, as far as rows go. */
async function desktopOn(node: RunningNode): Promise<number> {
  const id = await addTestDesktop(db, '10.0.0.7')
  for (const state of ['preparing', 'booting', 'running'] as const)
    await db
      .updateTable('vm')
      .set((eb) => ({ prior: eb.ref('state'), state, host_id: node.id }))
      .where('id', '=', id)
      .execute()
  return id
}

test('a stopped hkd: its desktops end before another node takes them, and it comes back as one that has none', async () => {
  const [here, there] = [await plainFence('a'), await plainFence('b')]
  const a = await startNode('a', here.socket)
  const b = await startNode('b', there.socket)
  await acquainted()
  const desktop = await desktopOn(a)
  a.process.kill('SIGSTOP')
  const stoppedAt = monotonicMs()
  const tookAt = await happened(b, 'took 1 of a')
  expect(here.seen.endedAt).toBeLessThan(tookAt)
  expect(here.seen.endedAt ?? 0).toBeGreaterThan(stoppedAt)
  expect(there.seen.endedAt).toBeUndefined()
  expect(await stateOf(a.id)).toBe('lost')
  const row = await db
    .selectFrom('vm')
    .select(['state', 'host_id as hostId'])
    .where('id', '=', desktop)
    .executeTakeFirstOrThrow()
  expect(row).toEqual({ state: 'stopped', hostId: null })
  const wishes = await db.selectFrom('wish').select(['kind', 'reason']).where('vm_id', '=', desktop).execute()
  expect(wishes).toEqual([{ kind: 'run', reason: 'node a is lost' }])
  const log = await db
    .selectFrom('vm_log')
    .select(['event', 'state'])
    .where('vm_id', '=', desktop)
    .orderBy('id')
    .execute()
  expect(log).toEqual([
    { event: 'hostLost', state: 'lost' },
    { event: 'exited', state: 'stopped' },
  ])
  const gone = once(a.process, 'exit')
  a.process.kill('SIGCONT')
  expect(await gone).toEqual([75, null])
  expect(here.fence.state.closed).toBe(true)
  const again = await startNode('a', here.socket)
  expect(here.fence.state.closed).toBe(false)
  expect(await stateOf(again.id)).toBe('starting')
}, 300_000)

test('the database away for all: nobody’s desktops end, and nobody is lost when it comes back', async () => {
  const [here, there] = [await plainFence('a'), await plainFence('b')]
  const a = await startNode('a', here.socket)
  const b = await startNode('b', there.socket)
  await acquainted()
  const frozen = serverProcesses()
  const signal = (name: NodeJS.Signals): void => {
    for (const server of frozen) signalProcess(server, name)
  }
  scope.defer(() => signal('SIGCONT'))
  signal('SIGSTOP')
  await sleep(HOST_CLOCKS.lostAfterMs + 10_000)
  signal('SIGCONT')
  const backAt = monotonicMs()
  for (const node of [a, b]) await until('a tick', () => (last(node, 'ticked') ?? 0) > backAt, PATIENCE_MS)
  expect([here.seen.endedAt, there.seen.endedAt]).toEqual([undefined, undefined])
  expect([await stateOf(a.id), await stateOf(b.id)]).toEqual(['starting', 'starting'])
}, 300_000)

test('a node that alone has lost the database: another one says that it has it, so its desktops end and are taken', async () => {
  const [here, there] = [await plainFence('a'), await plainFence('b')]
  const way = await wayToDatabase()
  const a = await startNode('a', here.socket, way.host)
  const b = await startNode('b', there.socket)
  await acquainted()
  await desktopOn(a)
  way.cut()
  const tookAt = await happened(b, 'took 1 of a')
  expect(here.seen.endedAt).toBeLessThan(tookAt)
  expect(there.seen.endedAt).toBeUndefined()
}, 300_000)

test('a node alone has no fence to fear, until another one comes', async () => {
  const here = await plainFence('a')
  const a = await startNode('a', here.socket)
  expect(here.fence.state.until).toBeNull()
  await startNode('b', (await plainFence('b')).socket)
  await acquainted()
  expect(here.fence.state.until ?? 0).toBeGreaterThan(monotonicMs())
  a.process.kill('SIGKILL')
  await until('its desktops to end', () => here.seen.endedAt !== undefined, PATIENCE_MS)
}, 300_000)

test('the program ends processes, network, mounts and at last locks; nothing starts while it is closed', async () => {
  if (LAYOUT === undefined) throw new Error('this test needs control groups')
  const layout = LAYOUT
  const run_ = join(folder, 'run')
  const bridge = `lb${process.pid}`
  const config = join(folder, 'node.conf')
  writeFileSync(
    config,
    `nodename = ${PREFIX}\npath.run = ${run_}\npath.log = ${folder}/log\nlog.filename = ${folder}/fence.log\n` +
      `internal.vm.name.prefix = ${PREFIX}\nvm.network.bridge = ${bridge}\n`,
  )
  const link = new FenceLink(join(run_, 'fence.sock'))
  const startProgram = async (): Promise<ChildProcess> => {
    const program = join(import.meta.dirname, '../../proxy/src/bin/fence.ts')
    const child = spawn('unshare', ['--net', '--', process.execPath, program, '--config', config], {
      stdio: 'inherit',
    })
    scope.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    await until('the fence to answer', () => link.look().then(Boolean, () => false), PATIENCE_MS)
    return child
  }
  const desktop = (): ChildProcess => {
    const child = spawn('sleep', ['infinity'], { stdio: 'ignore' })
    enterGroup(layout, `${PREFIX}7`, { memoryMb: 64, cpuPercent: 100, processes: 10 }, [child.pid ?? 0])
    return child
  }
  scope.defer(() => removeGroups(layout, `${PREFIX}7`))
  const program = await startProgram()
  const inside = ['--net', '--target', String(program.pid)]
  await run('nsenter', [...inside, 'ip', 'link', 'add', bridge, 'type', 'bridge'])
  await run('nsenter', [...inside, 'ip', 'link', 'set', bridge, 'up'])
  const mount = join(run_, 'homes/7/mount')
  mkdirSync(mount, { recursive: true })
  await run('mount', ['-t', 'tmpfs', 'ostler-lease', mount])
  scope.defer(async () => void (await run('umount', [mount]).catch(() => {})))
  const overlays = join(folder, 'overlays')
  await lockOverlay(overlays, PREFIX, { id: 7, epoch: 1 })
  const [first] = [desktop()]
  const ended = once(first, 'exit')
  await link.set(monotonicMs() + 60_000)
  // A fence that dies leaves what it was told to the next one.
  program.kill('SIGKILL')
  await once(program, 'exit')
  const next = await startProgram()
  expect((await link.look()).until ?? 0).toBeGreaterThan(monotonicMs())
  expect(observeGroup(layout, `${PREFIX}7`)).toBe('present')
  await link.set(monotonicMs() + 200)
  expect(await ended).toEqual([null, 'SIGKILL'])
  await until('the locks to be free', () => overlayKeepersOf(PREFIX).length === 0, PATIENCE_MS)
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(mount)
  const late = desktop()
  expect(await once(late, 'exit')).toEqual([null, 'SIGKILL'])
  expect((await link.set(monotonicMs() + 60_000)).closed).toBe(false)
  const allowed = desktop()
  scope.defer(() => void allowed.kill('SIGKILL'))
  expect(await link.close()).toMatchObject({ closed: true })
  expect(observeGroup(layout, `${PREFIX}7`)).toBe('absent')
  expect(next.exitCode).toBeNull()
}, 300_000)
