import { run } from '@ostler/kit/run.ts'
import type { DatabaseAddress } from '@ostler/proxy/store/open.ts'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const PROGRAMS = '/usr/lib/postgresql'

/** A dump of each released version, as it was at its release: each must go forward to this one. */
export const RELEASES = join(import.meta.dirname, 'releases')

/** The schema `ostler` as SQL that any client can run: no commands of psql's, no COPY. */
export async function dumpSchema(
  { host, port, database }: DatabaseAddress,
  what: 'all' | 'schema',
): Promise<string> {
  const versions = readdirSync(PROGRAMS).map(Number).filter(Boolean)
  const program = join(PROGRAMS, String(Math.max(...versions)), 'bin/pg_dump')
  const only = what === 'schema' ? ['--schema-only'] : ['--inserts']
  const place = [`--host=${host}`, `--port=${port}`, '--username=postgres', '--no-password', database]
  const { stdout } = await run(program, ['--schema=ostler', ...only, ...place])
  return stdout
    .split('\n')
    .filter((line) => !line.startsWith('\\') && !line.startsWith('--') && line !== '')
    .join('\n')
    .concat('\n')
}
