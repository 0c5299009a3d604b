import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run, RunError, type RunOptions } from '@ostler/kit/run.ts'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const OLDEST = 15

/**
 * The folder of PostgreSQL's programs: of the version that made the data, else the newest that is installed.
 * @param root folder with a folder for each version (`path.postgresql`).
 * @throws Fault `node.missingProgram`.
 */
export function programsFor(data: string, root: string): string {
  const made = versionOf(data)
  const programs = programsOf(root, made ?? newestVersion(root) ?? OLDEST)
  if (!existsSync(join(programs, 'initdb')))
    throw new Fault('node.missingProgram', {
      program: 'initdb of PostgreSQL',
      packages: made === undefined ? 'postgresql' : `postgresql-${made}`,
    })
  return programs
}

/** The folder of one version's programs. */
export function programsOf(root: string, version: number): string {
  return join(root, String(version), 'bin')
}

/** The version that made the data; `undefined` when there are none. */
export function versionOf(data: string): number | undefined {
  const file = join(data, 'PG_VERSION')
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined
}

/** The newest version that is installed. */
export function newestVersion(root: string): number | undefined {
  const versions = existsSync(root) ? readdirSync(root).map(Number) : []
  const usable = versions.filter(
    (version) => version >= OLDEST && existsSync(join(programsOf(root, version), 'initdb')),
  )
  return usable.length === 0 ? undefined : Math.max(...usable)
}

/**
 * Runs a program as the user of the cluster.
 * @throws Fault `database.unavailable` with what it has said.
 */
export async function runAsOwner(
  account: Account,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  // One that outlives a killed hkd would be in the way of the next one's. A started server is nobody's child.
  const drop = [
    `--reuid=${account.uid}`,
    `--regid=${account.gid}`,
    '--clear-groups',
    '--pdeathsig=KILL',
    '--',
  ]
  try {
    await run('setpriv', [...drop, program, ...args], { timeoutMs: 60_000, cwd: '/', ...options })
  } catch (cause) {
    const reason = cause instanceof RunError ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}
