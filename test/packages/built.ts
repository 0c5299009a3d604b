import { run } from '@ostler/kit/run.ts'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const BUILD_MS = 900_000

/** How packages are built for a test; what is not given is as in a release, but for the compression. */
export interface BuildWishes {
  readonly version?: string
  readonly only?: readonly string[]
  readonly compressed?: boolean
  /** A mask that takes rights away from everything that is made, as octal digits. */
  readonly umask?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Any time will do, as long as it is always the same. */
const TIME = { SOURCE_DATE_EPOCH: '1767225600' }

/** Builds packages out of build/ into a folder of their own. */
export async function buildPackages(output: string, wishes: BuildWishes = {}): Promise<void> {
  mkdirSync(output, { recursive: true })
  const words = [
    ...['--output', output],
    ...(wishes.compressed === true ? [] : ['--plain']),
    ...(wishes.version === undefined ? [] : ['--version', wishes.version]),
    ...(wishes.only ?? []).flatMap((name) => ['--only', name]),
  ]
  const build = [process.execPath, join(ROOT, 'packaging/deb/build.ts'), ...words]
  await run('sh', ['-c', 'umask "$1"; shift; exec "$@"', 'sh', wishes.umask ?? '022', ...build], {
    timeoutMs: BUILD_MS,
    env: { ...process.env, ...TIME, ...wishes.env },
  })
}
