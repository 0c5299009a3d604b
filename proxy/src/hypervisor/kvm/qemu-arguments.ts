import { BOOT_PORT, SEED_NAMES } from '@ostler/contract/virtual-machine.ts'
import type { DiskRates } from '../../model/disk-rates.ts'

/** Names inside QEMU's own folder, which is its working directory. */
export const QEMU_FILES = {
  monitor: 'qmp.sock',
  boot: 'boot.sock',
  /** The first part of what the guest says on its serial line. */
  console: 'console.log',
  network: 'network',
  hostname: 'hostname',
} as const

/** A disk whose file QEMU gets opened: it opens none by name. */
export interface GuestDisk {
  /** The number of the open file in QEMU. */
  readonly file: number
  readonly format: 'qcow2' | 'raw'
}

/** Everything that QEMU is told about one desktop. */
export interface MachineSetup {
  /** Of the machine, as it stands in lists of processes. */
  readonly name: string
  readonly acceleration: 'kvm' | 'tcg'
  readonly memoryMb: number
  readonly cpus: number
  readonly disks: { readonly image: GuestDisk; readonly overlay: GuestDisk; readonly home: GuestDisk }
  /** What its disks together may read, and write; without: any number. */
  readonly diskRates?: DiskRates | undefined
  readonly network: { readonly tap: string; readonly mac: string }
  /** Unix sockets, seen from QEMU's folder. */
  readonly sockets: { readonly serial: string; readonly vnc: string; readonly spice: string | undefined }
}

/** Room for translated code. QEMU's own default is as much as a guest's memory. */
const TRANSLATION_MB = 128

/**
 * The arguments of QEMU. The machine starts paused. Every file that could be a guest's is a number, not a name, and
 * what an image says about other files is overruled: a backing file in its header is never looked at.
 */
export function qemuArguments(setup: MachineSetup): string[] {
  const { disks, network, sockets } = setup
  const numbers = [disks.image, disks.overlay, disks.home].map((disk) => disk.file)
  return [
    ...['-name', `guest=${setup.name}`, '-nodefaults', '-no-user-config', '-S'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-machine', 'q35,usb=off,vmport=off', '-rtc', 'base=utc,driftfix=slew'],
    ...(setup.acceleration === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host,migratable=off']
      : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_MB}`, '-cpu', 'max']),
    ...['-m', String(setup.memoryMb), '-smp', String(setup.cpus)],
    ...numbers.flatMap((number) => ['-add-fd', `set=${number},fd=${number}`]),
    ...block({ ...diskNode('image', disks.image, true), backing: null }),
    ...block({ ...diskNode('overlay', disks.overlay, false), backing: 'image' }),
    ...block(diskNode('home', disks.home, false)),
    ...throttles(setup.diskRates),
    // In this order: the guest finds the system as its first disk and the homes as its second.
    ...['-device', `virtio-blk-pci,drive=${driveOf('overlay', setup.diskRates)},bootindex=1`],
    ...['-device', `virtio-blk-pci,drive=${driveOf('home', setup.diskRates)},serial=ostler-home`],
    ...['-netdev', `tap,id=net,ifname=${network.tap},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=net,mac=${network.mac},romfile=`],
    ...['-device', 'virtio-rng-pci', '-device', 'VGA,vgamem_mb=16', '-display', 'none'],
    ...['-device', 'qemu-xhci,id=usb', '-device', 'usb-tablet,bus=usb.0'],
    ...['-chardev', listening('serial', sockets.serial, `,logfile=${QEMU_FILES.console}`)],
    ...['-serial', 'chardev:serial'],
    ...['-chardev', listening('boot', QEMU_FILES.boot), '-device', 'virtio-serial-pci'],
    ...['-device', `virtserialport,chardev=boot,name=${BOOT_PORT}`],
    ...['-fw_cfg', `name=${SEED_NAMES.network},file=${QEMU_FILES.network}`],
    ...['-fw_cfg', `name=${SEED_NAMES.hostname},file=${QEMU_FILES.hostname}`],
    ...['-chardev', listening('monitor', QEMU_FILES.monitor), '-mon', 'chardev=monitor,mode=control'],
    ...['-vnc', `unix:${commas(sockets.vnc)}`],
    ...(sockets.spice === undefined
      ? []
      : ['-spice', `unix=on,addr=${commas(sockets.spice)},disable-ticketing=on`]),
  ]
}

function diskNode(name: string, { format, file }: GuestDisk, readOnly: boolean) {
  return {
    driver: format,
    'node-name': name,
    'read-only': readOnly,
    discard: readOnly ? 'ignore' : 'unmap',
    file: { driver: 'file', filename: `/dev/fdset/${file}`, 'read-only': readOnly },
  }
}

/** One group for the disks that a guest writes to: the image is read through the first of them. */
const THROTTLE = 'disk-rates'
const THROTTLED = ['overlay', 'home'] as const

function throttles(rates: DiskRates | undefined): string[] {
  const limits = throttleLimits(rates)
  if (limits === undefined) return []
  const group = { 'qom-type': 'throttle-group', id: THROTTLE, limits }
  return [
    ...['-object', JSON.stringify(group)],
    ...THROTTLED.flatMap((disk) =>
      block({
        driver: 'throttle',
        'node-name': driveOf(disk, rates),
        'throttle-group': THROTTLE,
        file: disk,
      }),
    ),
  ]
}

/** The node that a disk of the guest is made of. */
function driveOf(disk: (typeof THROTTLED)[number], rates: DiskRates | undefined): string {
  return throttleLimits(rates) === undefined ? disk : `${disk}-limited`
}

function throttleLimits(rates: DiskRates | undefined): Record<string, number> | undefined {
  const { iops = null, kbytes = null } = rates ?? {}
  if ((iops ?? kbytes) === null) return undefined
  const bytes = (kbytes ?? 0) * 1024
  return {
    ...(iops === null ? {} : { 'iops-read': iops, 'iops-write': iops }),
    ...(kbytes === null ? {} : { 'bps-read': bytes, 'bps-write': bytes }),
  }
}

function block(node: Readonly<Record<string, unknown>>): string[] {
  return ['-blockdev', JSON.stringify(node)]
}

function listening(id: string, path: string, more = ''): string {
  return `socket,id=${id},path=${commas(path)},server=on,wait=off${more}`
}

/** A comma in a value of an option is written twice. */
function commas(value: string): string {
  return value.replaceAll(',', ',,')
}
