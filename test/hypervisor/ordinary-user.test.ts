import { run } from '@ostler/kit/run.ts'
import { build } from 'esbuild'
import { chmodSync, chownSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { processesWith } from './quiet-guest.ts'

const AGENT = join(import.meta.dirname, '../../build/agent')
/** A number that is nobody's account. */
const UID = 2_100_000 + (process.pid % 50_000)

test('somebody who is not root, and has no account even, runs a desktop and opens a session in it', async () => {
  const folder = mkdtempSync('/var/tmp/ostler-ordinary-')
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  chownSync(folder, UID, UID)
  const bundle = join(folder, 'agent')
  cpSync(AGENT, bundle, { recursive: true })
  const program = join(folder, 'ordinary-user.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, 'ordinary-user.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
    },
  })
  const { stdout } = await run(
    'setpriv',
    [
      `--reuid=${UID}`,
      `--regid=${UID}`,
      '--clear-groups',
      '--no-new-privs',
      '--',
      join(bundle, 'node'),
      program,
      folder,
      bundle,
    ],
    { timeoutMs: 100_000 },
  )
  expect(JSON.parse(stdout)).toMatchObject({
    uid: UID,
    initUid: UID,
    enrolled: true,
    serves: true,
    started: { ready: true },
    stranger: expect.stringContaining('this desktop is for its one user alone') as string,
    display: true,
    after: 'absent',
  })
  expect(processesWith(folder)).toEqual([])
}, 120_000)
