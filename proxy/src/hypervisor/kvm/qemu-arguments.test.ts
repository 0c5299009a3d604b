import { expect, test } from 'vitest'
import { type MachineSetup, qemuArguments } from './qemu-arguments.ts'

const SETUP: MachineSetup = {
  name: 'ostler-7',
  acceleration: 'tcg',
  memoryMb: 512,
  cpus: 2,
  disks: {
    image: { file: 3, format: 'qcow2' },
    overlay: { file: 4, format: 'qcow2' },
    home: { file: 5, format: 'raw' },
  },
  network: { tap: 'ostler-7', mac: '54:52:00:03:0f:02' },
  sockets: { serial: '../display/serial.sock', vnc: '../display/vnc.sock', spice: '../display/spice.sock' },
}

function valuesOf(option: string, setup: Partial<MachineSetup> = {}): string[] {
  const args = qemuArguments({ ...SETUP, ...setup })
  return args.filter((_, at) => args[at - 1] === option)
}

test('no disk is opened by its name, and nothing of an image’s own header is believed', () => {
  const nodes = valuesOf('-blockdev').map(
    (json) => JSON.parse(json) as { 'node-name': string; file: { filename: string }; backing?: unknown },
  )
  expect(nodes.map((node) => node.file.filename)).toEqual(['/dev/fdset/3', '/dev/fdset/4', '/dev/fdset/5'])
  expect(nodes.map((node) => node.backing)).toEqual([null, 'image', undefined])
  expect(valuesOf('-drive')).toEqual([])
})

test('the image is read, never written', () => {
  expect(valuesOf('-blockdev')[0]).toContain('"read-only":true')
  expect(valuesOf('-blockdev')[1]).toContain('"read-only":false')
})

test('QEMU starts paused, in its sandbox, with nothing that it was not told', () => {
  const args = qemuArguments(SETUP)
  expect(args).toEqual(expect.arrayContaining(['-S', '-nodefaults', '-no-user-config']))
  expect(valuesOf('-sandbox')).toEqual([
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
  ])
  expect(args.join(' ')).not.toMatch(/balloon|-monitor|telnet/)
})

test('everything that listens is a unix socket', () => {
  const listening = qemuArguments(SETUP).filter((word) => /server=on|^unix/.test(word))
  expect(listening).toHaveLength(5)
  for (const word of listening) expect(word).toMatch(/^socket,id=\w+,path=|^unix:|^unix=on/)
})

test('the card has the hardware address of the desktop and runs no program of its own', () => {
  expect(valuesOf('-device')).toContain('virtio-net-pci,netdev=net,mac=54:52:00:03:0f:02,romfile=')
})

test('KVM uses the node’s processor, emulation is told how much it may keep', () => {
  expect(valuesOf('-accel', { acceleration: 'kvm' })).toEqual(['kvm'])
  expect(valuesOf('-accel')).toEqual(['tcg,thread=multi,tb-size=128'])
})

test('a comma in a path begins no option', () => {
  const sockets = { ...SETUP.sockets, serial: 'a,server=off' }
  expect(valuesOf('-chardev', { sockets })[0]).toContain('path=a,,server=off,server=on')
})

test('a QEMU without SPICE is not asked for it', () => {
  expect(valuesOf('-spice', { sockets: { ...SETUP.sockets, spice: undefined } })).toEqual([])
})

test('disks with a limit share one throttle, and the guest gets them through it alone', () => {
  const limited = { diskRates: { iops: 100, kbytes: null } }
  expect(valuesOf('-object', limited).map((json) => JSON.parse(json) as unknown)).toEqual([
    { 'qom-type': 'throttle-group', id: 'disk-rates', limits: { 'iops-read': 100, 'iops-write': 100 } },
  ])
  expect(valuesOf('-device', limited).filter((device) => device.includes('drive='))).toEqual([
    'virtio-blk-pci,drive=overlay-limited,bootindex=1',
    'virtio-blk-pci,drive=home-limited,serial=ostler-home',
  ])
  expect(valuesOf('-object', { diskRates: { iops: null, kbytes: null } })).toEqual([])
  expect(valuesOf('-device')).toContain('virtio-blk-pci,drive=overlay,bootindex=1')
})
