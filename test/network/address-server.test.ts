import { silentLog } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'
import { AddressServer, stopAddressServer } from '../../proxy/src/hypervisor/network/address-server.ts'
import { Firewall, removeFirewall } from '../../proxy/src/hypervisor/network/firewall.ts'
import { macOf } from '../../proxy/src/model/address.ts'
import { WireGuest } from '../fixtures/wire-guest.ts'
import { freeSubnet, until } from '../fixtures/world.ts'

const net = freeSubnet()
const BRIDGE = `otest${net}`
const PREFIX = `oa${net}-`
const NODE = `10.3.${net}.1`
const EVE = { id: 1, address: `10.3.${net}.254` }
const ANN = { id: 2, address: `10.3.${net}.253` }
const folder = mkdtempSync('/var/tmp/ostler-addresses-')
const NETWORK = {
  bridge: BRIDGE,
  subnet: { gateway: NODE, prefix: 24 },
  start: `10.3.${net}.10`,
  macPrefix: '54:52:00',
}
const SETTINGS = {
  ...NETWORK,
  folder: join(folder, 'dnsmasq'),
  hostsFile: join(folder, 'dhcp-hostsfile'),
  logFile: join(folder, 'dnsmasq.log'),
  domain: 'desktops.example',
}

const scope = new Scope()
let server: AddressServer
let eve: WireGuest

beforeAll(async () => {
  await run('chmod', ['0755', folder])
  scope.defer(() => rmSync(folder, { recursive: true }))
  scope.defer(() => removeBridge(BRIDGE))
  await ensureBridge(BRIDGE, NETWORK.subnet)
  scope.defer(() => removeFirewall(PREFIX))
  const rules = {
    prefix: PREFIX,
    protectHost: true,
    protectVms: true,
    loginPort: undefined,
    natDevice: undefined,
  }
  await new Firewall({ ...NETWORK, ...rules }).establish([EVE, ANN])
  const mac = macOf('54:52:00', EVE.address)
  const nothing = { address: undefined, gateway: undefined }
  eve = scope.own(await WireGuest.make({ device: `${PREFIX}1`, bridge: BRIDGE, mac, ...nothing }))
  scope.defer(() => stopAddressServer(SETTINGS.folder))
  scope.defer(() => server[Symbol.dispose]())
  server = new AddressServer(SETTINGS, [EVE], silentLog)
  await until('dnsmasq to run', () => existsSync(pidFile))
}, 60_000)
afterAll(() => scope.close(), 60_000)

const pidFile = join(folder, 'dnsmasq/pid')
const pid = (): number => Number(readFileSync(pidFile, 'utf8'))
const isThere = (number: number): boolean => existsSync(`/proc/${number}/cmdline`)

test('C-113: the file of hosts has lines of hardware address and address, and a desktop gets its own', async () => {
  expect(readFileSync(SETTINGS.hostsFile, 'utf8')).toBe(`54:52:00:03:${net.toString(16)}:fe,${EVE.address}\n`)
  let given = ''
  await until('an address to be given', async () => (given = await eve.dhcp()) !== 'silence')
  expect(given.split(' ')[0]).toBe(EVE.address)
  const router = `0304${Buffer.from([10, 3, net, 1]).toString('hex')}`
  expect(given).toContain(router)
  expect(given).toContain(Buffer.from('desktops.example').toString('hex'))
})

test('a desktop gets answers of DNS', async () => {
  await run('ip', ['-n', `${PREFIX}1`, 'address', 'add', `${EVE.address}/24`, 'dev', 'eth0'])
  const name = `06${Buffer.from('secret').toString('hex')}00`
  const question = `4f5301000001000000000000${name}00010001`
  expect(await eve.ask(NODE, 53, question)).toMatch(/^4f538[0-9a-f]{2}[35]/) // no such name, or refused: an answer
  await run('ip', ['-n', `${PREFIX}1`, 'address', 'flush', 'dev', 'eth0'])
})

test('a desktop that came later gets its address, and one that has gone gets none', async () => {
  await server.dismiss(EVE.id)
  await until('nothing to be given', async () => (await eve.dhcp()) === 'silence')
  await server.admit(EVE)
  await until('an address to be given', async () => (await eve.dhcp()).startsWith(EVE.address))
}, 60_000)

test('dnsmasq is nobody, and listens on the bridge alone', async () => {
  expect(statSync(`/proc/${pid()}`).uid).toBe(65_534)
  const { stdout } = await run('ss', ['--listening', '--numeric', '--processes', '--tcp', '--udp'])
  const ours = stdout.split('\n').filter((line) => line.includes(`pid=${pid()},`))
  const at = ours.map((line) => line.split(/\s+/)[4])
  expect([...new Set(at)].sort()).toEqual([`0.0.0.0%${BRIDGE}:67`, `${NODE}:53`])
})

test('killed, it is started again', async () => {
  const before = pid()
  process.kill(before, 'SIGKILL')
  await until('another one to run', () => !isThere(before) && isThere(pid()) && pid() !== before)
  await until('an address to be given', async () => (await eve.dhcp()).startsWith(EVE.address))
}, 60_000)

test('it outlives who started it, and the next one takes it over with other desktops', async () => {
  const before = pid()
  server[Symbol.dispose]()
  expect(isThere(before)).toBe(true)
  server = new AddressServer(SETTINGS, [ANN], silentLog)
  await until('nothing to be given', async () => (await eve.dhcp()) === 'silence')
  expect(pid()).toBe(before)
}, 60_000)

test('stopping ends it, and does not end another process that has its number', async () => {
  const before = pid()
  server[Symbol.dispose]()
  await stopAddressServer(SETTINGS.folder)
  expect(isThere(before)).toBe(false)
  await run('sh', ['-c', 'echo "$1" > "$2"', 'sh', String(process.pid), pidFile])
  await stopAddressServer(SETTINGS.folder)
  expect(isThere(process.pid)).toBe(true)
})

test.each([{ domain: 'x\nuser=root' }, { hostsFile: '/tmp/a,b' }, { start: '1.2.3.4,static' }])(
  '%j is refused',
  (over) => {
    expect(() => new AddressServer({ ...SETTINGS, ...over }, [], silentLog)).toThrow('cannot stand')
  },
)
