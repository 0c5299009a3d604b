import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { commandLine, startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** Each test kills one kind of process with SIGKILL under an open session; the user's program must not notice. */

const TERMINAL = { x: 300, y: 250 }

let world: World
let screen: XScreen
let vmId: number
let program: number

beforeAll(async () => {
  world = await startWorld()
  screen = world.scope.own(await openScreen())
  vmId = await world.addUser('ann')
  const client = await openRfb(world, 'ann', vmId)
  await client.greeting
  client.close()
  await until('the terminal', () => world.processes(vmId).some((pid) => commandLine(pid).startsWith('xterm')))
  program = world.processOf(vmId, 'xterm')
})
afterAll(async () => await world[Symbol.asyncDispose]())

let client: Awaited<ReturnType<typeof openRfb>>
beforeEach(async () => {
  client = await openRfb(world, 'ann', vmId)
  await client.greeting
})

/** The desktop, its program and the way to it are as before, by both kinds of client. */
async function expectDesktopLives(): Promise<void> {
  expect(world.processOf(vmId, 'xterm')).toBe(program)
  expect((await world.vm('ann')).state).toBe('running')
  const again = await openRfb(world, 'ann', vmId)
  expect(await again.greeting).toMatch(/^RFB/)
  const native = screen.connect(world, 'ann')
  await screen.untilPixel(900, 600, '#2f5d62')
  // A picture comes before the session has been resumed, and nxagent does not survive a link that is cut meanwhile.
  const proof = `proof-${randomUUID()}`
  await screen.typeLine(TERMINAL.x, TERMINAL.y, `touch ${proof}`)
  await until('what is typed to be done', () => existsSync(join(world.home('ann'), proof)))
  await native[Symbol.asyncDispose]()
  expect(world.processOf(vmId, 'xterm')).toBe(program)
}

test('hkd: a stream goes on without it, and a new hkd finds the desktop by looking', async () => {
  await world.node.crash('hkd')
  expect(await Promise.race([client.closed, Promise.resolve('open')])).toBe('open')
  await world.node.start('hkd')
  await until('hkd to find the agent again', () => world.node.output('hkd').includes('"message":"agent up"'))
  // It cannot know how old the agent's certificate is, so it renews it; whoever calls the agent goes on.
  await until('the certificate to be renewed', () =>
    world.node.output('hkd').includes('"message":"certificate of agent renewed"'),
  )
  await expectDesktopLives()
  await world.qa('user add login=late password=-') // and it still does its work
  await world.qa('vm add name=late user=late osf=instant')
  await world.qa('vm start -f name=late')
  await world.untilVm('late', 'running')
  await world.qa('vm stop -f name=late')
  await world.untilVm('late', 'stopped')
})

test('l7r: the stream ends, and after a restart the same session is there', async () => {
  await world.node.crash('l7r')
  await client.closed
  await world.node.start('l7r')
  await expectDesktopLives()
})

function postmaster(): number {
  const file = join(world.node.settings.folder, 'state/postgres/postmaster.pid')
  return Number(readFileSync(file, 'utf8').split('\n')[0])
}

test("postgresql lives in a control group of its own, not in hkd's", () => {
  const memoryGroup = (pid: number): string | undefined =>
    /^\d+:memory:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1]
  expect(memoryGroup(postmaster())).toMatch(/^\/ostler\/postgres-[0-9a-f]{8}$/)
  expect(memoryGroup(world.node.process('hkd').pid)).not.toMatch(/ostler/)
})

test('postgresql: hkd starts it again, and nothing else notices', async () => {
  const pid = postmaster()
  process.kill(pid, 'SIGKILL')
  await until('postgresql to be back', () => world.node.output('hkd').includes('postgresql runs again'))
  expect(await Promise.race([client.closed, Promise.resolve('open')])).toBe('open')
  await until('the api to answer', () =>
    world.vm('ann').then(
      () => true,
      () => false,
    ),
  )
  await expectDesktopLives()
})

test('the agent: it is started again, enrols again, and goes on with the running session', async () => {
  const agent = world.processOf(vmId, 'vma.cjs')
  process.kill(agent, 'SIGKILL')
  await until('another agent', () => {
    const pids = world.processes(vmId).filter((pid) => commandLine(pid).includes('vma.cjs'))
    return pids.some((pid) => pid !== agent)
  })
  await expectDesktopLives()
})

test("LXC's monitor: the container outlives it, and stops and starts as before", async () => {
  const name = `${world.node.settings.prefix}${vmId}`
  const folder = `/sys/fs/cgroup/memory/ostler/${name}/monitor/cgroup.procs`
  for (const pid of readFileSync(folder, 'utf8').split('\n').filter(Boolean))
    process.kill(Number(pid), 'SIGKILL')
  await expectDesktopLives()
  await world.qa('vm stop -f name=ann')
  await world.untilVm('ann', 'stopped')
  expect(world.processes(vmId)).toEqual([])
  const again = await openRfb(world, 'ann', vmId)
  expect(await again.greeting).toMatch(/^RFB/)
})
