import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { openAgentLink } from '../../proxy/src/guest/agent-link.ts'
import { AgentWatch } from '../../proxy/src/hkd/agent-watch.ts'
import { ticketFolder } from '../../proxy/src/hkd/ticket-folder.ts'
import type { Trust } from '../../proxy/src/hkd/trust.ts'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { parseYardRules, scriptOf, type YardRulesInput } from '../../proxy/src/hypervisor/simulated/script.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'
import { testTrust } from '../fixtures/trust.ts'
import { type SimulatedRoom, simulatedRoom } from './simulated-room.ts'

let trust: Trust
const open: (AsyncDisposable | Disposable)[] = []

beforeAll(async () => {
  trust = await testTrust()
})
afterEach(async () => {
  for (const each of open.splice(0).reverse())
    if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]()
    else each[Symbol.dispose]()
})

type Script = NonNullable<NonNullable<YardRulesInput>['scripts']>[number]['script']

async function yardOf(script: Script, rules: YardRulesInput = {}): Promise<SimulatedRoom> {
  const room = await simulatedRoom({ ...rules, scripts: [{ script }] })
  open.push(room)
  return room
}

/** Boots a machine and watches its agent as hkd does. */
async function watched(
  room: SimulatedRoom,
  id = 1,
  driver = inTurn(room.open()),
): Promise<{ watch: AgentWatch; ups: () => number }> {
  await driver.prepare(room.spec(id))
  await driver.boot(room.spec(id))
  const { agentAt } = driver.observe(id)
  if (agentAt === undefined) throw new Error('nobody says where the agent is')
  let ups = 0
  const watch: AgentWatch = new AgentWatch(
    {
      address: { desktop: id, epoch: 1, ...agentAt },
      tickets: ticketFolder(runFolder(room.run, id).boot),
      displayUid: 0,
      trust,
      log: silentLog,
      onChange: () => (ups += watch.link === undefined ? 0 : 1),
      onHook: () => {},
    },
    true,
  )
  open.push(watch)
  return { watch, ups: () => ups }
}

const isUp = ({ watch }: { watch: AgentWatch }, ms = 20_000): Promise<boolean> =>
  comesToHold(() => watch.link !== undefined, ms, 5)

test('an agent that answers is enrolled by its ticket and watched, through a unix socket', async () => {
  const room = await yardOf({})
  const one = await watched(room)
  expect(await isUp(one)).toBe(true)
  expect(await one.watch.link?.client.ping({})).toEqual({ version: 'simulated' })
  expect(await one.watch.link?.client.x_start({ display: 'nx', parameters: {} })).toMatchObject({
    ready: true,
  })
})

test('an identity of hkd that was renewed is what the agent is shown from then on, and it stays up', async () => {
  const room = await yardOf({})
  const first = trust
  let own = first.own
  trust = {
    ...first,
    get own() {
      return own
    },
  }
  try {
    const one = await watched(room)
    expect(await isUp(one)).toBe(true)
    const old = one.watch.link
    own = { ...own }
    expect(await comesToHold(() => one.watch.link !== old, 30_000, 10)).toBe(true)
    for (const link of [old, one.watch.link])
      expect(await link?.client.ping({})).toEqual({ version: 'simulated' })
    expect(one.ups()).toBe(1)
  } finally {
    trust = first
  }
})

test.each<[string, Script]>([
  ['never comes', { agentMs: null }],
  ['lets its callers wait', { agent: 'hangs' }],
  ['hangs up', { agent: 'refuses' }],
  ['answers nonsense', { agent: 'lies' }],
])('an agent that %s is never up', async (_, script) => {
  expect(await isUp(await watched(await yardOf(script)), 500)).toBe(false)
})

test('an agent that is killed and started again is enrolled again', async () => {
  const one = await watched(await yardOf({ agent: 'restarts', agentLivesMs: 300 }))
  expect(await comesToHold(() => one.ups() >= 3, 20_000, 10)).toBe(true)
})

test('a name that leads to the socket of another desktop is not followed', async () => {
  const room = await yardOf({})
  expect(await isUp(await watched(room, 1))).toBe(true)
  const trap = join(room.run, 'trap')
  mkdirSync(trap)
  symlinkSync(join(runFolder(room.run, 1).display, 'agent.sock'), join(trap, 'agent.sock'))
  using link = openAgentLink({ desktop: 1, epoch: 1, socketPath: join(trap, 'agent.sock') }, trust.own)
  await expect(link.client.ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
  using missing = openAgentLink({ desktop: 1, epoch: 1, socketPath: join(trap, 'none') }, trust.own)
  await expect(missing.client.ping({})).rejects.toMatchObject({ code: 'agent.unreachable' })
})

test('calls through a socket leave no descriptor open', async () => {
  const room = await yardOf({})
  expect(await isUp(await watched(room))).toBe(true)
  const { agentAt } = room.open().observe(1)
  const at = agentAt ?? { socketPath: join(runFolder(room.run, 1).display, 'agent.sock') }
  // A handle on the name of a socket, not a connection to it.
  const handles = (): number => descriptors().filter((target) => target.endsWith('/agent.sock')).length
  for (let round = 0; round < 20; round++) {
    using link = openAgentLink({ desktop: 1, epoch: 1, ...at }, trust.own)
    await link.client.ping({})
  }
  expect(await comesToHold(() => handles() === 0, 5_000, 10)).toBe(true)
})

test('a machine dies in its first second when its script says so', async () => {
  const room = await yardOf({ livesMs: 200 })
  const driver = room.open()
  await driver.prepare(room.spec(1))
  await driver.boot(room.spec(1))
  expect(await comesToHold(() => driver.observe(1).processes === 'absent', 10_000, 5)).toBe(true)
})

test('for a while nobody can tell whether it runs', async () => {
  const room = await yardOf({ unknownMs: 300 })
  const driver = room.open()
  await driver.prepare(room.spec(1))
  await driver.boot(room.spec(1))
  expect(driver.observe(1).processes).toBe('unknown')
  expect(await comesToHold(() => driver.observe(1).processes === 'present', 10_000, 5)).toBe(true)
})

test('a full disk fails the preparation, with its reason', async () => {
  const room = await yardOf({ prepareFails: 'no space left on device' })
  await expect(room.open().prepare(room.spec(1))).rejects.toMatchObject({
    code: 'image.unusable',
    detail: { reason: 'no space left on device' },
  })
})

test('a machine that neither halts nor dies stays, until the yard itself ends', async () => {
  const room = await yardOf({ haltMs: null, killMs: null })
  const driver = room.open()
  await driver.prepare(room.spec(1))
  await driver.boot(room.spec(1))
  await driver.powerOff(1)
  await driver.kill(1)
  expect(driver.observe(1).processes).toBe('present')
})

test('without a yard everything is unknown, verbs fail with the reason, and nothing is taken for dead', async () => {
  const room = await simulatedRoom()
  const driver = room.open()
  await driver.prepare(room.spec(1))
  await driver.boot(room.spec(1))
  await room.closeYard()
  expect(await comesToHold(() => driver.observe(1).processes === 'unknown', 10_000, 5)).toBe(true)
  await expect(driver.boot(room.spec(1))).rejects.toMatchObject({ code: 'container.failed' })
  await room[Symbol.asyncDispose]()
})

test('its clock may run faster than ours', async () => {
  const room = await yardOf({ bootMs: 60_000 }, { speed: 600 })
  const driver = room.open()
  await driver.prepare(room.spec(1))
  await driver.boot(room.spec(1))
  expect(driver.observe(1).processes).toBe('present')
})

test('the same rules give each boot of each machine the same script, in the shares that they say', () => {
  const rules = parseYardRules({
    seed: 7,
    scripts: [
      { share: 3, script: {} },
      { share: 1, script: { agentMs: null } },
      { image: 'odd', script: { bootFails: 'odd' } },
    ],
  })
  const all = Array.from({ length: 4_000 }, (_, id) => scriptOf(rules, { id, image: 'any' }, 1))
  expect(all).toEqual(Array.from({ length: 4_000 }, (_, id) => scriptOf(rules, { id, image: 'any' }, 1)))
  const silent = all.filter(({ agentMs }) => agentMs === null).length
  expect(silent).toBeGreaterThan(800)
  expect(silent).toBeLessThan(1_200)
  expect(scriptOf(rules, { id: 1, image: 'odd' }, 1).bootFails).toBe('odd')
})

test('of scripts those for the image go first, then those for the desktop', () => {
  const rules = parseYardRules({
    scripts: [
      { script: { bootFails: 'any' } },
      { desktop: 2, script: { bootFails: 'desktop 2' } },
      { image: 'odd', script: { bootFails: 'odd' } },
      { image: 'odd', desktop: 3, script: { bootFails: 'odd at 3' } },
    ],
  })
  const why = (id: number, image: string): string | undefined => scriptOf(rules, { id, image }, 1).bootFails
  expect([why(1, 'plain'), why(2, 'plain'), why(3, 'plain')]).toEqual(['any', 'desktop 2', 'any'])
  expect([why(1, 'odd'), why(2, 'odd'), why(3, 'odd')]).toEqual(['odd', 'odd', 'odd at 3'])
})

test('a driver that is killed before it has read what it was told takes nothing with it', async () => {
  const room = await yardOf({})
  const driver = inTurn(room.open())
  await driver.prepare(room.spec(1))
  const socket = new Socket()
  socket.pause()
  socket.connect(join(room.run, '../yard.sock'))
  await once(socket, 'connect')
  await driver.boot(room.spec(1))
  socket.destroy() // what lies unread makes a reset of it
  await once(socket, 'close')
  await driver.prepare(room.spec(2))
  await driver.boot(room.spec(2))
  expect([driver.observe(1).processes, driver.observe(2).processes]).toEqual(['present', 'present'])
})

test('rules that cannot be are refused with what is wrong', () => {
  expect(() => parseYardRules({ scripts: [{ script: { bootMs: -1 } }] })).toThrow(/bootMs/)
  expect(() => parseYardRules({ sped: 2 })).toThrow(/sped/)
})

test('a hundred machines in one process have their agents enrolled and watched', async () => {
  const room = await yardOf({ agentMs: 10 })
  const driver = inTurn(room.open())
  const all = await Promise.all(Array.from({ length: 100 }, (_, id) => watched(room, id + 1, driver)))
  expect(await comesToHold(() => all.every(({ watch }) => watch.link !== undefined), 50_000, 50)).toBe(true)
})

/** What this process has open. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // it was that of this look
    }
  })
}
