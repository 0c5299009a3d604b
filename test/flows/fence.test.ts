import { identify, isAlive } from '@ostler/kit/process-table.ts'
import { run } from '@ostler/kit/run.ts'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { tableName } from '../../proxy/src/hypervisor/network/ruleset.ts'
import { openRfb } from '../fixtures/door.ts'
import { commandLine, startWorld, until, type World } from '../fixtures/world.ts'

let world: World
let ann: number
let gateway: string
let table: string

beforeAll(async () => {
  world = await startWorld({ 'l7r.address': '*' })
  ann = await world.addUser('ann')
  gateway = `10.3.${world.node.settings.subnet}.1`
  table = tableName(world.node.settings.prefix)
  await connects()
})
afterAll(async () => {
  const dnsmasq = identify(addressServer())
  await world[Symbol.asyncDispose]()
  const { stdout } = await run('nft', ['list', 'tables'])
  expect(stdout).not.toContain(table)
  // What has ended may wait for a while to be reaped.
  expect(dnsmasq !== undefined && isAlive(dnsmasq)).toBe(false)
})

/** The process number of the node's dnsmasq. */
function addressServer(): number {
  return Number(readFileSync(join(world.node.settings.folder, 'run/dnsmasq/pid'), 'utf8'))
}

async function connects(): Promise<void> {
  const client = await openRfb(world, 'ann', ann)
  await client.greeting
  client.close()
}

/** Tries to open a connection from the desktop's root to a port of the node. */
function fromDesktop(port: number): Promise<string> {
  return world.inside(ann, [
    'curl',
    '--silent',
    '--show-error',
    '--max-time',
    '3',
    '--insecure',
    `https://${gateway}:${port}`,
  ])
}

async function rules(): Promise<string> {
  const list = (family: string) => run('nft', ['list', 'table', family, table])
  return (await Promise.all(['bridge', 'ip'].map(list))).map(({ stdout }) => stdout).join('')
}

test('C-115: the first desktop has the highest address of the network', async () => {
  expect((await world.vm('ann')).address).toBe(`10.3.${world.node.settings.subnet}.254`)
})

test('C-114: a desktop that runs is bound to its device, hardware address and address', async () => {
  const { prefix, subnet } = world.node.settings
  const pinned = `"${prefix}${ann}" . 54:52:00:03:${subnet.toString(16)}:fe`
  expect(await rules()).toContain(`${pinned} . 10.3.${subnet}.254`)
  expect(readFileSync(`/sys/class/net/${prefix}${ann}/brport/isolated`, 'utf8')).toBe('1\n')
})

test('C-114: its root opens neither the door nor another port of the node, which listens there', async () => {
  const server = createServer((socket) => socket.end('open'))
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  for (const each of [world.port, port]) await expect(fromDesktop(each)).rejects.toThrow(/timed out/i)
})

test('rules stay while hkd is down, and an hkd that starts again finds who runs', async () => {
  const before = await rules()
  const dnsmasq = addressServer()
  await world.node.crash('hkd')
  expect(await rules()).toBe(before)
  await run('nft', ['delete', 'table', 'bridge', table])
  await world.node.start('hkd')
  expect(await rules()).toBe(before)
  expect([addressServer(), commandLine(dnsmasq).split(' ')[0]]).toEqual([dnsmasq, 'dnsmasq'])
  await connects()
})

test('rules that somebody removes are made again while the node runs', async () => {
  const before = await rules()
  await run('nft', ['delete', 'table', 'ip', table])
  await until('the rules to be there again', async () => (await rules().catch(() => '')) === before, 60_000)
})

test('a desktop that stops is not in the rules any more', async () => {
  await world.qa('vm stop -f name=ann')
  await world.untilVm('ann', 'stopped')
  expect(await rules()).not.toContain(`"${world.node.settings.prefix}${ann}"`)
})
