import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run, RunError, type RunOptions } from '@ostler/kit/run.ts'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/usr/lib/postgresql'
const OLDEST = 15

/**
 * The folder of PostgreSQL's programs: of the version that made the data, else the newest that is installed.
 * @throws Fault `node.missingProgram`.
 */
export function programsFor(data: string): string {
  const versionFile = join(data, 'PG_VERSION')
  const made = existsSync(versionFile) ? Number(readFileSync(versionFile, 'utf8')) : undefined
  const programs = join(ROOT, String(made ?? Math.max(...installed())), 'bin')
  if (!existsSync(join(programs, 'initdb')))
    throw new Fault('node.missingProgram', {
      program: 'initdb of PostgreSQL',
      packages: made === undefined ? 'postgresql' : `postgresql-${made}`,
    })
  return programs
}

function installed(): number[] {
  return existsSync(ROOT)
    ? readdirSync(ROOT)
        .map(Number)
        .filter((version) => version >= OLDEST)
    : []
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
  const drop = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--']
  try {
    await run('setpriv', [...drop, program, ...args], { timeoutMs: 60_000, cwd: '/', ...options })
  } catch (cause) {
    const reason = cause instanceof RunError ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}
