import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { openCache, ownPath, removeImages } from '../vm/cache.ts'

const BUNDLE = join(import.meta.dirname, '../../build/agent')
const SOURCES = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources']
const BUILD_MS = 1_000_000

/** What a desktop's image must have beside Debian's minimal base (docs/kvm.md). */
const PACKAGES = [
  'linux-image-cloud-amd64',
  ...['systemd-sysv', 'udev', 'dbus', 'libpam-systemd'], // the last two hear the power button
  ...['grub-pc-bin', 'grub-common', 'zstd'],
  ...['util-linux', 'passwd', 'login', 'iproute2', 'kmod', 'procps', 'fdisk', 'e2fsprogs'],
  ...['nxagent', 'xinit', 'xterm', 'openbox', 'x11vnc', 'x11-xserver-utils', 'x11-xkb-utils', 'xkb-data'],
  'fonts-dejavu-core',
]
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*']
/** Daily chores, log-in prompts, and waiting for a network that nobody waits for. */
const MASKED = [
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'fstrim.timer'],
  ...['e2scrub_all.timer', 'e2scrub_reap.service', 'getty@.service', 'serial-getty@.service'],
  'systemd-networkd-wait-online.service',
]
const UNITS = ['ostler-vma.service', 'ostler-guest-network.service', 'systemd-networkd.service']

/** The colour of the desktop's ground. */
export const GROUND = '#2f5d62'

/** The system of the image, as it is kept: without the agent, which changes more often. */
const recipe = {
  suite: 'bookworm',
  files: {
    'etc/initramfs-tools/conf.d/small':
      'MODULES=list\nCOMPRESS=zstd\nBUSYBOX=n\nKEYMAP=n\nRESUME=none\nFSTYPE=ext4\n',
    'etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\next4\n',
    'etc/machine-id': '',
    'etc/fstab': '',
    'etc/ostler/vma.conf': 'command.x-session = /etc/ostler/x-session\n',
    'etc/ostler/x-session': `#!/bin/sh
xsetroot -solid '${GROUND}'
exec openbox --startup 'xterm -geometry 100x30+40+40'
`,
    // What a boot loader's core image does at once: there is nothing to choose.
    'boot/start.cfg': `set root=(hd0,msdos1)
linux /vmlinuz root=/dev/vda1 rw console=ttyS0 net.ifnames=0 fsck.mode=skip panic=5
initrd /initrd.img
boot
`,
  },
  bootstrap: [
    '--variant=minbase',
    '--format=directory',
    `--include=${PACKAGES.join(',')}`,
    ...LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    '--aptopt=APT::Sandbox::User "root"',
    '--essential-hook=umask 022; cp -r --no-preserve=mode "$1/../files/." "$1/"; chmod 755 "$1/etc/ostler/x-session"',
    `--customize-hook=chroot "$1" systemctl --quiet mask ${MASKED.join(' ')}`,
    '--customize-hook=chroot "$1" grub-mkimage -O i386-pc -o /boot/core.img -p /boot/grub -c /boot/start.cfg ' +
      'biosdisk part_msdos ext2 linux',
  ],
} as const
const DISK_BYTES = 3 * 2 ** 30
const FIRST_PARTITION = 2 ** 20
const SECTOR = 512
/** The first sector's part that is a program. */
const BOOT_CODE = 440

/**
 * The qcow2 image of a small Debian with the agent that was built last. The system is built once, in minutes, and kept
 * in the cache; the image is put together anew, in seconds.
 */
export async function desktopImage(): Promise<string> {
  const cache = openCache('test-kvm')
  const hash = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16)
  const system = join(cache, hash)
  if (!existsSync(system)) await buildSystem(cache, system)
  const image = `${ownPath(cache, 'image')}.qcow2`
  const work = ownPath(cache, 'work')
  try {
    await assemble(join(system, 'tree'), work, image)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return image
}

async function buildSystem(cache: string, system: string): Promise<void> {
  removeImages(cache)
  const draft = ownPath(cache, 'system')
  try {
    for (const [path, text] of Object.entries(recipe.files)) {
      mkdirSync(dirname(join(draft, 'files', path)), { recursive: true })
      writeFileSync(join(draft, 'files', path), text)
    }
    const apart = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ')
    const sources = SOURCES.filter((source) => existsSync(source))
    const words = ['mmdebstrap', ...recipe.bootstrap, recipe.suite, join(draft, 'tree'), ...sources]
    await run('setpriv', [...apart, ...words], {
      timeoutMs: BUILD_MS,
      env: { ...process.env, TMPDIR: draft },
    })
    renameSync(draft, system)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Puts the agent into a copy of the tree and makes a disk that a BIOS boots, without a mount or a loop device. */
async function assemble(system: string, work: string, image: string): Promise<void> {
  mkdirSync(work)
  const tree = join(work, 'tree')
  // Files are shared with what is kept; nothing below is changed in place.
  await run('cp', ['--archive', '--link', system, tree], { timeoutMs: BUILD_MS })
  cpSync(BUNDLE, join(tree, 'opt/ostler-vma'), { recursive: true })
  for (const unit of UNITS.slice(0, 2)) {
    const target = join(tree, 'etc/systemd/system', unit)
    copyFileSync(join(BUNDLE, unit), target)
    chmodSync(target, 0o644)
  }
  await run('systemctl', [`--root=${tree}`, '--quiet', 'enable', ...UNITS])
  const disk = join(work, 'disk.img')
  const boot = Buffer.alloc(FIRST_PARTITION)
  const loader = join(tree, 'usr/lib/grub/i386-pc/boot.img')
  readFileSync(loader).copy(boot, 0, 0, BOOT_CODE)
  // The loader's first part looks for the second one in the second sector unless it was told otherwise.
  const core = readFileSync(join(tree, 'boot/core.img'))
  core.copy(boot, SECTOR)
  writeFileSync(disk, boot)
  await run('truncate', ['--size', String(DISK_BYTES), disk])
  await run('sfdisk', ['--quiet', disk], { input: `${FIRST_PARTITION / SECTOR},,83,*\n` })
  const size = `${(DISK_BYTES - FIRST_PARTITION) / 1024}k`
  const options = ['-q', '-t', 'ext4', '-O', '^has_journal', '-E', `offset=${FIRST_PARTITION}`]
  await run('mke2fs', [...options, '-d', tree, disk, size], { timeoutMs: BUILD_MS })
  await run('qemu-img', ['convert', '-O', 'qcow2', disk, image], { timeoutMs: BUILD_MS })
}
