import { run, RunError } from '@ostler/kit/run.ts'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ostler-alone-'))
  mkdirSync(join(home, '.qvd'))
  return () => rmSync(home, { recursive: true })
})

/** What the program says when it is started with these words and no screen. */
async function said(...words: string[]): Promise<string> {
  const program = join(import.meta.dirname, '../bin/ostler.ts')
  const env = { PATH: process.env['PATH'] ?? '', HOME: home }
  return await run(process.execPath, [program, ...words], { env, timeoutMs: 60_000 }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: unknown) => (error instanceof RunError ? error.stderr : String(error)),
  )
}

test('started without words it connects where the configuration wants that, and shows its help elsewhere', async () => {
  expect(await said()).toMatch(/^Usage: ostler /)
  writeFileSync(join(home, '.qvd/client.conf'), 'client.auto_connect = 1\nclient.host.name = 127.0.0.1\n')
  expect(await said()).toContain('[client.noDisplay]')
  expect(await said('version')).toMatch(/^ostler \d/)
  expect(await said('--help')).toMatch(/^Usage: ostler /)
  writeFileSync(join(home, '.qvd/client.conf'), 'client.auto_connect = 0\n')
  expect(await said()).toMatch(/^Usage: ostler /)
})
