import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The name of the virtio port over which the guest is told what to run; guest-runner.py opens it. */
export const PORT_NAME = 'ostler.test'

/** The tag of the shared project folder, and where the guest sees it. */
export const PROJECT = { tag: 'project', path: '/project' } as const

/** What the guest must have beside Debian's minimal base. No recommended package comes along. */
const PACKAGES = [
  'linux-image-amd64', // the -cloud kernel starts 4 s earlier, but has neither 9p nor USB
  'systemd-sysv',
  'util-linux',
  'passwd',
  'iproute2',
  'kmod',
  'procps',
  'python3', // guest-runner.py
  'nfs-kernel-server',
  'nfs-common',
  'zstd', // packs the initrd
  'lxc', // containers under control groups of version 2 and AppArmor
  'apparmor',
  'quota', // limits of projects
  'fuse3', // a mount that its profile lets through
]

/** Nobody reads in there, and no such hardware is in there: a third of the image. */
const LEFT_OUT = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  ...['gpu', 'media', 'infiniband', 'iio', 'staging', 'net/ethernet', 'net/wireless'].map(
    (folder) => `/lib/modules/*/kernel/drivers/${folder}/*`,
  ),
]

const SHARE_OPTIONS = 'ro,nofail,trans=virtio,version=9p2000.L,msize=262144,cache=loose'

/** Units that cost time at each start and serve nobody here: log-in prompts, daily chores, containers of others. */
const MASKED = [
  'getty.target',
  'getty@.service',
  'serial-getty@.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  ...['lxc', 'lxc-net', 'apparmor'].map((name) => `${name}.service`),
]

const RUNNER_UNIT = `[Unit]
Description=Runs what the tests outside ask for
[Service]
ExecStart=/usr/bin/python3 /usr/local/sbin/guest-runner /dev/virtio-ports/${PORT_NAME}
Restart=always
StandardError=journal+console
[Install]
WantedBy=multi-user.target
`

/** Only what finds the root disk, so that the initrd is 8 MB instead of 30. */
const INITRD = `MODULES=list
COMPRESS=zstd
BUSYBOX=n
KEYMAP=n
RESUME=none
FSTYPE=ext4
`

/**
 * What makes the guest image. Its hash names the image: whatever changes here makes a new one.
 * `files` are there before the kernel is installed, because that makes the initrd.
 */
export const recipe = {
  suite: 'bookworm',
  files: {
    'etc/hostname': 'guest\n',
    'etc/hosts': '127.0.0.1 localhost guest\n',
    'etc/fstab': `${PROJECT.tag} ${PROJECT.path} 9p ${SHARE_OPTIONS} 0 0\n`,
    'etc/initramfs-tools/conf.d/small': INITRD,
    'etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\next4\n',
    'etc/systemd/system/guest-runner.service': RUNNER_UNIT,
    'usr/local/sbin/guest-runner': readFileSync(join(import.meta.dirname, 'guest-runner.py'), 'utf8'),
  },
  bootstrap: [
    '--variant=minbase',
    '--format=directory',
    `--include=${PACKAGES.join(',')}`,
    ...LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    // The cache may lie in a folder that only root reads, where apt's own user could not download.
    '--aptopt=APT::Sandbox::User "root"',
    '--essential-hook=umask 022; cp -r --no-preserve=mode "$1/../files/." "$1/"',
    `--customize-hook=chroot "$1" systemctl --quiet mask ${MASKED.join(' ')}`,
    '--customize-hook=chroot "$1" systemctl --quiet enable guest-runner.service',
  ],
  /** A sparse file: it takes what is in it. No journal, for each run throws its changes away. */
  disk: ['-q', '-t', 'ext4', '-O', '^has_journal', '-L', 'guest'],
  diskSize: '3G',
} as const
