import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Firewall, removeFirewall } from '../../proxy/src/hypervisor/network/firewall.ts'
import { tableName, type FirewallSettings } from '../../proxy/src/hypervisor/network/ruleset.ts'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'
import { macOf } from '../../proxy/src/model/address.ts'
import { arp, EVERYBODY, frame, icmp6, ping, tagged, udp } from '../fixtures/frames.ts'
import { WireGuest } from '../fixtures/wire-guest.ts'
import { freeSubnet, until } from '../fixtures/world.ts'

const net = freeSubnet()
const address = (last: number): string => `10.3.${net}.${last}`
const BRIDGE = `otest${net}`
const PREFIX = `of${net}-`
const NODE = address(1)
const SETTINGS: FirewallSettings = {
  prefix: PREFIX,
  bridge: BRIDGE,
  subnet: { gateway: NODE, prefix: 24 },
  start: address(10),
  macPrefix: '54:52:00',
  protectHost: true,
  protectVms: true,
  loginPort: undefined,
  natDevice: undefined,
}
const EVE = { id: 1, address: address(201) }
const ANN = { id: 2, address: address(202) }
const PORT = 4477
/** How long nothing must come where nothing may. */
const SILENCE_MS = 1_500
const mac = (resident: { address: string }): string => macOf('54:52:00', resident.address)

const scope = new Scope()
let eve: WireGuest
let ann: WireGuest
/** Another node on the same wire, and a desktop of its. */
let node2: WireGuest
let bob: WireGuest
let firewall: Firewall

beforeAll(async () => {
  scope.defer(() => removeFirewall(PREFIX))
  scope.defer(() => removeBridge(BRIDGE))
  await ensureBridge(BRIDGE, SETTINGS.subnet)
  const desktop = async (device: string, at: { address: string }): Promise<WireGuest> =>
    scope.own(
      await WireGuest.make({
        ...{ device, bridge: BRIDGE, mac: mac(at), gateway: NODE },
        address: `${at.address}/24`,
      }),
    )
  eve = await desktop(`${PREFIX}1`, EVE)
  ann = await desktop(`${PREFIX}2`, ANN)
  node2 = await desktop(`up${net}-1`, { address: address(2) })
  bob = await desktop(`up${net}-2`, { address: address(203) })
  for (const guest of [eve, ann, node2, bob]) await guest.serve(PORT)
  const server = createServer((socket) => socket.end('hello'))
  await new Promise<void>((resolve) => server.listen(PORT, '0.0.0.0', resolve))
  scope.defer(() => new Promise((closed) => server.close(() => closed())))
}, 60_000)
afterAll(() => scope.close(), 60_000)
beforeEach(() => (firewall = new Firewall(SETTINGS)))

/** Connects from the node; returns what it is greeted with. */
async function fromNode(to: string, timeout = 15_000): Promise<string> {
  const socket = connect({ host: to, port: PORT, timeout })
  socket.on('timeout', () => socket.destroy(new Error('silence')))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

let marks = 0
const newMark = (): string => `mark-${process.pid}-${(marks += 1)}.`

interface Hostile {
  readonly frame: (mark: string) => string
  /** Where it would be heard if nothing were filtered: by a neighbour, or by the bridge itself. */
  readonly ear: 'ann' | 'node2'
}
const datagram = (over: Partial<Parameters<typeof udp>[0]>, mark: string): string =>
  udp({ from: EVE.address, to: address(255), fromPort: 5000, toPort: 5001, mark, ...over })
const broadcast = (type: string, payload: string, from = mac(EVE)): string =>
  frame(EVERYBODY, from, type, payload)

const HOSTILE: Readonly<Record<string, Hostile>> = {
  // First: without rules the bridge believes the next ones about where Ann is.
  'its own address, to another desktop': {
    frame: (mark) => frame(mac(ANN), mac(EVE), '0800', datagram({ to: ANN.address }, mark)),
    ear: 'ann',
  },
  "another desktop's hardware address": {
    frame: (mark) => broadcast('0800', datagram({}, mark), mac(ANN)),
    ear: 'node2',
  },
  'a hardware address that nobody has': {
    frame: (mark) => broadcast('0800', datagram({}, mark), '54:52:00:aa:bb:cc'),
    ear: 'node2',
  },
  "another desktop's address": {
    frame: (mark) => broadcast('0800', datagram({ from: ANN.address }, mark)),
    ear: 'node2',
  },
  "the node's address": {
    frame: (mark) => broadcast('0800', datagram({ from: NODE }, mark)),
    ear: 'node2',
  },
  'no address, to somebody else than DHCP': {
    frame: (mark) => broadcast('0800', datagram({ from: '0.0.0.0' }, mark)),
    ear: 'node2',
  },
  'an answer of DHCP': {
    frame: (mark) => broadcast('0800', datagram({ to: '255.255.255.255', fromPort: 67, toPort: 68 }, mark)),
    ear: 'node2',
  },
  'ARP that says: the gateway is me': {
    frame: (mark) => broadcast('0806', arp(asked({ operation: 2, senderAddress: NODE, mark }))),
    ear: 'node2',
  },
  "ARP that says: another desktop's address is mine": {
    frame: (mark) => broadcast('0806', arp(asked({ operation: 2, senderAddress: ANN.address, mark }))),
    ear: 'node2',
  },
  "ARP that says: my address is at another desktop's hardware address": {
    frame: (mark) => broadcast('0806', arp(asked({ operation: 2, senderMac: mac(ANN), mark }))),
    ear: 'node2',
  },
  'IPv6: a router': {
    frame: (mark) => frame('33:33:00:00:00:01', mac(EVE), '86dd', icmp6(134, mark)),
    ear: 'node2',
  },
  'IPv6: a neighbour': {
    frame: (mark) => frame('33:33:00:00:00:01', mac(EVE), '86dd', icmp6(135, mark)),
    ear: 'node2',
  },
  'a VLAN tag': { frame: (mark) => tagged(broadcast('0800', datagram({}, mark))), ear: 'node2' },
  'a VLAN tag with priority alone': {
    frame: (mark) => tagged(broadcast('0800', datagram({}, mark)), '8100', 0),
    ear: 'node2',
  },
  "a provider's VLAN tag": {
    frame: (mark) => tagged(broadcast('0800', datagram({}, mark)), '88a8'),
    ear: 'node2',
  },
  'two VLAN tags': {
    frame: (mark) => tagged(tagged(broadcast('0800', datagram({}, mark)), '8100', 2), '88a8', 3),
    ear: 'node2',
  },
  'a kind of frame that nobody knows': {
    frame: (mark) => broadcast('88b5', Buffer.from(mark).toString('hex')),
    ear: 'node2',
  },
  'a frame of the time before kinds (802.3)': {
    frame: (mark) => broadcast('0040', `aaaa03${Buffer.from(mark).toString('hex')}`),
    ear: 'node2',
  },
  PPPoE: { frame: (mark) => broadcast('8863', Buffer.from(mark).toString('hex')), ear: 'node2' },
  'a spanning tree': {
    frame: (mark) => frame('01:80:c2:00:00:00', mac(EVE), '0040', Buffer.from(mark).toString('hex')),
    ear: 'node2',
  },
  'its own address, to everybody': {
    frame: (mark) => broadcast('0800', datagram({}, mark)),
    ear: 'ann',
  },
  "its own address, to another desktop's by everybody's hardware address": {
    frame: (mark) => broadcast('0800', datagram({ to: ANN.address }, mark)),
    ear: 'ann',
  },
}

function asked(over: Partial<Parameters<typeof arp>[0]> & { mark: string }): Parameters<typeof arp>[0] {
  return { operation: 1, senderMac: mac(EVE), senderAddress: EVE.address, targetAddress: address(9), ...over }
}

/** Sends frames of Eve's and, behind them, what everybody may hear. Resolves when that was heard. */
async function sendAll(frames: readonly string[]): Promise<void> {
  for (const each of frames) await eve.send(each)
  const end = newMark()
  await eve.send(frame(EVERYBODY, mac(EVE), '0806', arp(asked({ mark: end }))))
  await node2.untilHears(end)
  const last = newMark()
  await node2.udp(ANN.address, 9, last)
  await ann.untilHears(last)
}

describe('C-114: what a desktop sends', () => {
  const marked = Object.entries(HOSTILE).map(([name, { frame: make, ear }]) => {
    const marks_ = { without: newMark(), within: newMark() }
    return { name, ear, marks: marks_, without: make(marks_.without), within: make(marks_.within) }
  })
  beforeAll(async () => {
    // Without rules everything goes through: the ears are not deaf.
    await sendAll(marked.map(({ without }) => without))
    const rules = new Firewall(SETTINGS)
    await rules.establish([EVE, ANN])
    await sendAll(marked.map(({ within }) => within))
  }, 60_000)
  test.each(marked)('$name: goes nowhere', ({ ear, marks: { without, within } }) => {
    expect({ ann, node2 }[ear].hears(without)).toBe(true)
    expect([ann, node2, bob].filter((guest) => guest.hears(within) && !isAllowed(guest, within))).toEqual([])
  })

  /** A broadcast of its own passes the uplink, to nodes. */
  function isAllowed(guest: WireGuest, mark: string): boolean {
    return guest !== ann && marked.some(({ marks: { within }, ear }) => within === mark && ear === 'ann')
  }
})

describe('C-114: with the rules of a node', () => {
  beforeEach(() => firewall.establish([EVE, ANN]))
  afterEach(() => removeFirewall(PREFIX))

  test('a desktop opens nothing to the node, at none of its addresses', async () => {
    await removeFirewall(PREFIX)
    expect(await eve.tcp(NODE, PORT)).toBe('hello')
    await firewall.establish([EVE, ANN])
    expect(await eve.tcp(NODE, PORT)).toBe('silence')
    const elsewhere = `198.18.${net}.1`
    await run('ip', ['address', 'add', `${elsewhere}/32`, 'dev', BRIDGE])
    expect(await eve.tcp(elsewhere, PORT)).toBe('silence')
    await run('ip', ['address', 'delete', `${elsewhere}/32`, 'dev', BRIDGE])
  })

  test('a desktop reaches no other one, on this node or on another', async () => {
    await removeFirewall(PREFIX)
    expect([await eve.tcp(ANN.address, PORT), await eve.tcp(address(203), PORT)]).toEqual([
      `hello ${EVE.address}`,
      `hello ${EVE.address}`,
    ])
    await firewall.establish([EVE, ANN])
    expect(await eve.tcp(ANN.address, PORT)).toMatch(/silence|No route/)
    expect(await eve.tcp(address(203), PORT)).toMatch(/silence|No route/)
  })

  test('nor by way of the node as a router', async () => {
    writeFileSync(`/proc/sys/net/ipv4/conf/${BRIDGE}/forwarding`, '1')
    await eve.inside(['ip', 'route', 'add', `${ANN.address}/32`, 'via', NODE])
    await ann.inside(['ip', 'route', 'add', `${EVE.address}/32`, 'via', NODE])
    await removeFirewall(PREFIX)
    expect(await eve.tcp(ANN.address, PORT)).toBe(`hello ${EVE.address}`)
    await firewall.establish([EVE, ANN])
    expect(await eve.tcp(ANN.address, PORT)).toBe('silence')
    await eve.inside(['ip', 'route', 'delete', `${ANN.address}/32`])
    await ann.inside(['ip', 'route', 'delete', `${EVE.address}/32`])
    writeFileSync(`/proc/sys/net/ipv4/conf/${BRIDGE}/forwarding`, '0')
  })

  test('the node and other nodes reach an agent, and hear its answers; it does not reach them', async () => {
    expect(await fromNode(EVE.address)).toBe(`hello ${NODE}`)
    expect(await node2.tcp(EVE.address, PORT)).toBe(`hello ${address(2)}`)
    expect(await eve.tcp(address(2), PORT)).toBe('silence')
    const mark = newMark()
    await eve.udp(address(2), PORT, mark)
    await sendAll([])
    expect(node2.hears(mark)).toBe(false)
  })

  test('the bridge learns nothing from frames that were made up, not even from those that pass no filter', async () => {
    const mine = '54:52:00:aa:bb:dd'
    const groups = Array.from({ length: 16 }, (_, last) => `01:80:c2:00:00:0${last.toString(16)}`)
    const made = [EVERYBODY, mac(ANN), ...groups].map((to) =>
      frame(to, mine, '88cc', Buffer.from(newMark()).toString('hex')),
    )
    const learnt = async (): Promise<boolean> =>
      (await run('bridge', ['fdb', 'show', 'br', BRIDGE])).stdout.includes(mine)
    await sendAll(made)
    expect(await learnt()).toBe(false)
    const option = `/sys/class/net/${BRIDGE}/bridge/no_linklocal_learn`
    writeFileSync(option, '0')
    await sendAll(made)
    await until('the bridge to learn from them when it may', learnt)
    await ensureBridge(BRIDGE, SETTINGS.subnet)
    expect(readFileSync(option, 'utf8')).toBe('1\n')
  })

  test('a desktop asks for an address before it has one', async () => {
    const mark = newMark()
    const discover = datagram({ from: '0.0.0.0', to: '255.255.255.255', fromPort: 68, toPort: 67 }, mark)
    await sendAll([broadcast('0800', discover)])
    await node2.untilHears(mark)
    const probe = newMark()
    await sendAll([broadcast('0806', arp(asked({ senderAddress: '0.0.0.0', mark: probe })))])
    await node2.untilHears(probe)
  })

  test('a desktop that is not admitted sends nothing; admitted it is heard, and dismissed no more', async () => {
    await firewall.dismiss(ANN.id)
    await expect(fromNode(EVE.address)).resolves.toBe(`hello ${NODE}`)
    await expect(fromNode(ANN.address, SILENCE_MS)).rejects.toThrow(/silence|EHOSTUNREACH/)
    await firewall.admit(ANN)
    await expect(fromNode(ANN.address)).resolves.toBe(`hello ${NODE}`)
    await firewall.dismiss(ANN.id)
    await expect(fromNode(ANN.address, SILENCE_MS)).rejects.toThrow(/silence|EHOSTUNREACH/)
  }, 60_000)

  test('a desktop may not have the address of another one that was dismissed', async () => {
    await firewall.admit({ id: EVE.id, address: address(210) })
    await expect(fromNode(EVE.address, SILENCE_MS)).rejects.toThrow(/silence|EHOSTUNREACH/)
  }, 30_000)

  test('a desktop receives and sends so much, and what is more goes nowhere; ARP always passes', async () => {
    const padding = 'x'.repeat(1_300)
    const [sent, received] = [Array.from({ length: 200 }, newMark), Array.from({ length: 200 }, newMark)]
    const all = async (): Promise<void> => {
      for (const mark of sent)
        await eve.send(broadcast('0800', datagram({ to: '255.255.255.255' }, mark + padding)))
      for (const mark of received) await node2.udp(EVE.address, 9, mark + padding)
    }
    const heard = (guest: WireGuest, marks_: readonly string[]): number =>
      marks_.filter((mark) => guest.hears(mark)).length
    await firewall.admit({ ...EVE, rates: { inKbit: 64, outKbit: 64 } })
    await all()
    const probe = newMark()
    await eve.send(frame(EVERYBODY, mac(EVE), '0806', arp(asked({ mark: probe }))))
    await node2.untilHears(probe)
    const [out, in_] = [heard(node2, sent), heard(eve, received)]
    expect(out).toBeGreaterThan(0)
    expect(in_).toBeGreaterThan(0)
    expect(out).toBeLessThan(sent.length)
    expect(in_).toBeLessThan(received.length)
    expect(await firewall.mend()).toBe(false)
    await firewall.admit(EVE)
    await all()
    await sendAll([])
    await until('all to be heard', () => heard(node2, sent) === 200 && heard(eve, received) === 200)
  }, 60_000)

  test('what somebody removed or changed is made again, and what is whole is left alone', async () => {
    const table = tableName(PREFIX)
    expect(await firewall.mend()).toBe(false)
    for (const harm of [
      ['delete', 'table', 'bridge', table],
      ['delete', 'table', 'ip', table],
      ['flush', 'chain', 'bridge', table, 'prerouting'],
      ['flush', 'set', 'bridge', table, 'desktops'],
      ['insert', 'rule', 'ip', table, 'input', 'accept'],
    ]) {
      await run('nft', harm)
      expect([harm, await firewall.mend()]).toEqual([harm, true])
      expect(await firewall.mend()).toBe(false)
    }
    expect(await eve.tcp(NODE, PORT)).toBe('silence')
  })

  test("a second firewall takes the first one's rules over, and tables of others stay as they are", async () => {
    const foreign = `foreign_${net}`
    await run('nft', ['add', 'table', 'ip', foreign])
    const second = new Firewall(SETTINGS)
    await second.establish([ANN])
    await expect(fromNode(ANN.address)).resolves.toBe(`hello ${NODE}`)
    await expect(fromNode(EVE.address, SILENCE_MS)).rejects.toThrow(/silence|EHOSTUNREACH/)
    await removeFirewall(PREFIX)
    await removeFirewall(PREFIX)
    const { stdout } = await run('nft', ['list', 'tables'])
    expect(stdout).toContain(foreign)
    expect(stdout).not.toContain(tableName(PREFIX))
    await run('nft', ['delete', 'table', 'ip', foreign])
  }, 30_000)

  test('a hundred that start at once are all admitted', async () => {
    const many = Array.from({ length: 100 }, (_, index) => ({
      id: 100 + index,
      address: address(20 + index),
    }))
    await Promise.all(many.map((one) => firewall.admit(one)))
    const { stdout } = await run('nft', ['list', 'set', 'bridge', tableName(PREFIX), 'desktops'])
    for (const one of many) expect(stdout).toContain(`${mac(one)} . ${one.address}`)
  })
})

describe('with other settings', () => {
  afterEach(() => removeFirewall(PREFIX))

  test('allow_login_from_vm lets desktops open the door and ping, and nothing else', async () => {
    await new Firewall({ ...SETTINGS, loginPort: PORT }).establish([EVE, ANN])
    expect(await eve.tcp(NODE, PORT)).toBe('hello')
    expect(await eve.tcp(address(2), PORT)).toBe(`hello ${EVE.address}`)
    const echo = newMark()
    await eve.send(broadcast('0800', ping(EVE.address, address(2), echo)))
    await eve.untilHears(echo)
    await new Firewall({ ...SETTINGS, loginPort: PORT + 1 }).establish([EVE, ANN])
    expect([await eve.tcp(NODE, PORT), await eve.tcp(address(2), PORT)]).toEqual(['silence', 'silence'])
  })

  test('protect_vms = 0 lets desktops reach each other, still from their own addresses alone', async () => {
    await new Firewall({ ...SETTINGS, protectVms: false }).establish([EVE, ANN])
    expect(await eve.tcp(ANN.address, PORT)).toBe(`hello ${EVE.address}`)
    const mark = newMark()
    await sendAll([frame(mac(ANN), mac(EVE), '0800', datagram({ from: NODE, to: ANN.address }, mark))])
    expect(ann.hears(mark)).toBe(false)
  })

  test('protect_host = 0 lets desktops open connections to nodes, and not to each other', async () => {
    await new Firewall({ ...SETTINGS, protectHost: false }).establish([EVE, ANN])
    expect(await eve.tcp(NODE, PORT)).toBe('hello')
    expect(await eve.tcp(address(2), PORT)).toBe(`hello ${EVE.address}`)
    expect(await eve.tcp(ANN.address, PORT)).toMatch(/silence|No route/)
  })

  test("nat.iface lets desktops out behind the node's address, and nobody in", async () => {
    const [device, here, there] = [`out${net}`, `198.18.${net}.1`, `198.18.${net}.2`]
    await using world = await WireGuest.make({
      ...{ device, bridge: undefined, mac: '02:00:00:00:00:02' },
      ...{ address: `${there}/24`, gateway: here },
    })
    await run('ip', ['address', 'add', `${here}/24`, 'dev', device])
    for (const name of [BRIDGE, device]) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/forwarding`, '1')
    await world.serve(PORT)
    await removeFirewall(PREFIX)
    expect(await world.tcp(EVE.address, PORT)).toBe(`hello ${there}`)
    await new Firewall({ ...SETTINGS, natDevice: device }).establish([EVE, ANN])
    expect(await eve.tcp(there, PORT)).toBe(`hello ${here}`)
    expect(await world.tcp(EVE.address, PORT)).toBe('silence')
    writeFileSync(`/proc/sys/net/ipv4/conf/${BRIDGE}/forwarding`, '0')
  })

  test.each([
    { prefix: 'much-too-long-' },
    { prefix: 'a"b' },
    { bridge: 'x; drop' },
    { natDevice: 'eth0"' },
    { macPrefix: '54:52' },
    { start: '192.0.2.1' },
    { bridge: `${PREFIX}br` },
  ])('%j is refused, and what is there stays', async (over) => {
    await firewall.establish([EVE])
    await expect(new Firewall({ ...SETTINGS, ...over }).establish([EVE])).rejects.toMatchObject({
      code: 'config.invalid',
    })
    expect(await firewall.mend()).toBe(false)
  })
})
