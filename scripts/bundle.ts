import { build } from 'esbuild'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/**
 * Makes one file, `NAME.cjs`, of each program and all that it imports, in a folder that is emptied before. Beside the folder, a file
 * says which npm packages went in.
 *
 * @param programs their sources, from the root of this tree.
 * @param node the version of Node that they are for.
 */
export async function bundle(target: string, programs: readonly string[], node = 26): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const { metafile } = await build({
    entryPoints: programs.map((program) => join(root, program)),
    outdir: target,
    entryNames: '[name]',
    outExtension: { '.js': '.cjs' },
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: `node${node}`,
    format: 'cjs',
    minify: true,
    keepNames: true,
    // winston's diagnostics are for developers of winston, and cost half a megabyte in every process
    // a bundle is CommonJS, which has this word for the folder that it lies in
    define: { 'process.env.NODE_ENV': '"production"', 'import.meta.dirname': '__dirname' },
    external: ['pg-native'], // optional in pg, and not wanted
    logLevel: 'warning',
    metafile: true,
  })
  // What went in is told by the packages' list of parts and by their licences.
  writeFileSync(`${target}.parts.json`, JSON.stringify(partsOf(Object.keys(metafile.inputs)), null, 2))
}

/** The folders of npm packages that files are from, sorted. */
function partsOf(files: readonly string[]): string[] {
  const folders = files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort()
}
