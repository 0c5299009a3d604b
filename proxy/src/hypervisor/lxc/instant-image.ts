import { Fault } from '@ostler/contract/fault.ts'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** Raised when what is generated changes, so that folders of an older version are not used any more. */
const FORMAT = 2

/** The parts of the node's /etc that hold no secret and that programs in /usr cannot do without. */
const ALLOWED_ETC = [
  'alternatives',
  'fonts',
  'X11',
  'xdg/openbox',
  'nxagent',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'login.defs',
  'skel',
  'bash.bashrc',
  'profile',
  'inputrc',
  'mime.types',
  'ssl/certs',
] as const

/** Accounts below this number belong to the system; people's are left out. */
const FIRST_PERSON = 1000
const NOBODY = 65_534

const PAM_RUNUSER = 'auth sufficient pam_rootok.so\nsession required pam_unix.so\n'

const GENERATED: Readonly<Record<string, string>> = {
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n',
  'resolv.conf': '',
  fstab: '',
  environment: '',
  'os-release': 'PRETTY_NAME="Ostler instant desktop"\nNAME="Ostler"\nID=ostler\n',
  'default/useradd': 'SHELL=/bin/bash\n',
  // Who is root may become anybody (the console's login shell); nobody signs in by any other way.
  'pam.d/runuser': PAM_RUNUSER,
  'pam.d/runuser-l': PAM_RUNUSER,
  'pam.d/other': 'auth required pam_deny.so\naccount required pam_deny.so\nsession required pam_deny.so\n',
  'ostler/vma.conf': 'command.x-session = /etc/ostler/x-session\n',
  'ostler/x-session': `#!/bin/sh
# The instant desktop: a window manager and a terminal. Leaving the window manager ends the session.
xsetroot -solid '#2f5d62' 2>/dev/null
# Started by the window manager: a window that appears while it is still starting may stay unmanaged.
exec openbox --startup 'xterm -geometry 100x30+40+40'
`,
}

/**
 * Makes the lower layer of an instant desktop: everything is empty or generated, but for an allow-list of the
 * node's /etc; /usr is bound in later, read-only. Nothing is downloaded and no secret of the node gets in.
 *
 * @param folder where such layers are kept; one is made per state of the node's packages.
 * @returns the layer's folder.
 * @throws Fault `image.unusable` on a machine whose /bin is not below /usr.
 */
export function instantImage(folder: string, node = '/'): string {
  const layer = instantFolder(folder, node)
  if (existsSync(layer)) return layer
  const draft = `${layer}.${randomBytes(4).toString('hex')}`
  try {
    build(draft, node)
    renameSync(draft, layer)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(layer)) throw error // else somebody else was faster
  }
  return layer
}

/** Where the layer of the node's present state is, or would be. */
export function instantFolder(folder: string, node = '/'): string {
  return join(folder, `instant-${fingerprint(node)}`)
}

function build(draft: string, node: string): void {
  for (const name of [
    'dev',
    'proc',
    'sys',
    'run',
    'usr',
    'home',
    'mnt',
    'media',
    'opt',
    'srv',
    'var/lib',
    'var/log',
    'var/tmp',
    'var/cache',
    'var/mail',
    'etc',
  ])
    mkdirSync(join(draft, name), { recursive: true, mode: 0o755 })
  mkdirSync(join(draft, 'root'), { mode: 0o700 })
  mkdirSync(join(draft, 'tmp'))
  for (const name of ['tmp', 'var/tmp']) chmodSync(join(draft, name), 0o1777) // past the umask
  symlinkSync('/run', join(draft, 'var/run'))
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) linkIntoUsr(draft, node, name)
  for (const name of ALLOWED_ETC) copyEtc(draft, node, name)
  for (const [name, content] of Object.entries(GENERATED)) write(draft, name, content)
  chmodSync(join(draft, 'etc/ostler/x-session'), 0o755)
  write(draft, 'machine-id', `${randomBytes(16).toString('hex')}\n`)
  const accounts = systemAccounts(readFileSync(join(node, 'etc/passwd'), 'utf8'))
  write(draft, 'passwd', accounts.map((fields) => `${fields.join(':')}\n`).join(''))
  write(draft, 'shadow', accounts.map(([name]) => `${name}:*:19000:0:99999:7:::\n`).join(''), 0o600)
  write(draft, 'group', systemGroups(readFileSync(join(node, 'etc/group'), 'utf8')))
  write(draft, 'gshadow', '', 0o600)
}

function linkIntoUsr(draft: string, node: string, name: string): void {
  const stat = lstatSync(join(node, name), { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSymbolicLink())
    throw new Fault('image.unusable', {
      image: 'instant',
      reason: `/${name} of this machine is not a link into /usr (usrmerge is missing)`,
    })
  symlinkSync(readlinkSync(join(node, name)), join(draft, name))
}

function copyEtc(draft: string, node: string, name: string): void {
  const source = join(node, 'etc', name)
  if (!existsSync(source)) return
  mkdirSync(dirname(join(draft, 'etc', name)), { recursive: true })
  // Links are copied as links, but for one at the top (localtime), whose content is what matters.
  const dereference = statSync(source).isFile()
  cpSync(source, join(draft, 'etc', name), { recursive: true, dereference, verbatimSymlinks: !dereference })
}

function write(draft: string, name: string, content: string, mode = 0o644): void {
  const path = join(draft, 'etc', name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content, { mode })
}

/** System accounts, without password, comment or a home of the node's. */
function systemAccounts(passwd: string): [string, ...string[]][] {
  return passwd
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 7 && isSystem(Number(fields[2])))
    .map(([name = '', , uid = '', gid = '', , home = '', shell = '']) => [
      name,
      'x',
      uid,
      gid,
      '',
      home,
      shell,
    ])
}

function systemGroups(group: string): string {
  return group
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 4 && isSystem(Number(fields[2])))
    .map(([name = '', , gid = '']) => `${name}:x:${gid}:\n`)
    .join('')
}

function isSystem(id: number): boolean {
  return id < FIRST_PERSON || id === NOBODY
}

/** Changes whenever packages were installed or removed, or this code changes what it makes. */
function fingerprint(node: string): string {
  const status = statSync(join(node, 'var/lib/dpkg/status'), { throwIfNoEntry: false })
  return createHash('sha256')
    .update(`${FORMAT} ${status?.mtimeMs ?? 0} ${status?.size ?? 0}`)
    .digest('hex')
    .slice(0, 12)
}
