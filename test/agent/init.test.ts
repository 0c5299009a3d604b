import { run } from '@ostler/kit/run.ts'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

/** The real first process of a desktop, in processes and mounts of its own, with an agent that is a script. */
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-init-'))
  mkdirSync(join(folder, 'etc'))
  copyFileSync(join(import.meta.dirname, '../../agent/init/ostler-init'), join(folder, 'ostler-init'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs it until it halts. @param prepare what is done to its /run before. @param agent a script, which is run again and again. */
async function runInit(prepare: string, agent: string): Promise<void> {
  writeFileSync(join(folder, 'node'), `#!/bin/sh\nhere=${folder}\n${agent}\n`, { mode: 0o755 })
  const begin = `mount -t tmpfs none /run && mount --bind ${folder}/etc /etc && ${prepare} && exec ${folder}/ostler-init`
  const own = ['--pid', '--fork', '--mount', '--kill-child', '--', 'sh', '-c', begin]
  await run('unshare', own, { timeoutMs: 20_000, cwd: '/' })
}

const AGENT = `
echo x >>"$here/runs"
echo "run $(wc -l <"$here/runs"): no key" >&2
cp /run/ostler/display/console.log "$here/console" 2>/dev/null
[ "$(wc -l <"$here/runs")" -ge 3 ] && kill -TERM 1
exit 1`

test('what the agent complains about lies where the node reads it, of its last run alone', async () => {
  await runInit('mkdir -p /run/ostler/display', AGENT)
  expect(readFileSync(join(folder, 'console'), 'utf8')).toBe('run 3: no key\n')
})

test('a desktop without that folder has its agent all the same', async () => {
  await runInit('true', AGENT)
  expect(readFileSync(join(folder, 'runs'), 'utf8')).toBe('x\nx\nx\n')
})

test('a desktop whose image has no number of a machine draws one, and keeps one that it has', async () => {
  const number = (): string => readFileSync(join(folder, 'etc/machine-id'), 'utf8')
  const halt = 'kill -TERM 1; sleep 1'
  writeFileSync(join(folder, 'etc/machine-id'), '')
  await runInit('true', halt)
  const drawn = number()
  expect(drawn).toMatch(/^[0-9a-f]{32}\n$/)
  await runInit('true', halt)
  expect(number()).toBe(drawn)
})
