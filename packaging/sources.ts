import { run } from '@ostler/kit/run.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

/** The version in package.json. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  return version
}

/** What everything in a package has as its time, in seconds since 1970: `SOURCE_DATE_EPOCH`, else that of the last commit. */
export async function timeOfSources(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) return Number(given)
  const { stdout } = await run('git', ['-C', ROOT, 'log', '-1', '--format=%ct'], { env: process.env })
  return Number(stdout)
}
