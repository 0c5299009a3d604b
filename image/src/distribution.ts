/** Where a system of a distribution comes from. */
interface Distribution {
  readonly suite: string
  readonly mirror: string
  readonly components: string
  /** Keys that its packages are signed with, and the Debian package that brings them to a build machine. */
  readonly keyring: string
  readonly keyringPackage: string
  /** Lines of `sources.list` behind the first one. */
  readonly updates: (suite: string, mirror: string) => readonly { mirror: string; suite: string }[]
  readonly kernel: string
}

/** Those that a recipe may name. */
export const DISTRIBUTIONS = {
  debian: {
    suite: 'bookworm',
    mirror: 'http://deb.debian.org/debian',
    components: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
    keyringPackage: 'debian-archive-keyring',
    updates: (suite, mirror) => [
      { mirror, suite: `${suite}-updates` },
      { mirror: mirror.replace(/\/debian\/?$/, '/debian-security'), suite: `${suite}-security` },
    ],
    kernel: 'linux-image-amd64',
  },
  ubuntu: {
    suite: 'noble',
    mirror: 'http://archive.ubuntu.com/ubuntu',
    components: 'main universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
    keyringPackage: 'ubuntu-keyring',
    updates: (suite, mirror) => [
      { mirror, suite: `${suite}-updates` },
      { mirror, suite: `${suite}-security` },
    ],
    kernel: 'linux-image-virtual',
  },
} as const satisfies Record<string, Distribution>

/** What each environment is made of where nothing is installed that is only recommended. */
export const ENVIRONMENTS = {
  none: ['openbox', 'xterm'],
  lxde: ['lxde-core', 'lxterminal', 'lxde-icon-theme', 'polkitd'],
  xfce: ['xfce4', 'xfce4-terminal', 'adwaita-icon-theme', 'xfce4-notifyd'],
  mate: ['mate-desktop-environment-core', 'mate-icon-theme', 'mate-notification-daemon'],
} as const

/** What every desktop needs, whoever brings the agent. */
export const FOR_DISPLAY = [
  ...['nxagent', 'nxproxy', 'xvfb', 'xinit', 'x11vnc', 'x11-xserver-utils', 'x11-xkb-utils', 'xkb-data'],
  ...['dbus-x11', 'fonts-dejavu-core', 'libstdc++6', 'passwd'],
] as const

/** A system that comes up by itself, and hears when it is to halt. */
export const FOR_BOOT = ['systemd-sysv', 'dbus', 'libpam-systemd', 'util-linux'] as const

/** What a machine with a disk needs besides; the kernel is the distribution's. */
export const FOR_MACHINE = [
  ...['udev', 'initramfs-tools', 'grub-pc-bin', 'grub-common', 'zstd'],
  ...['iproute2', 'kmod', 'procps', 'fdisk', 'e2fsprogs'],
] as const
