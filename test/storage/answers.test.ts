import { requireAnswers } from '@ostler/proxy/hypervisor/storage/answers.ts'
import { until } from '../fixtures/world.ts'
import { isMounted, sshfsMount } from '../slave/sshfs-mount.ts'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, type Readable, type Writable } from 'node:stream'
import type { ReadableWritablePair } from 'node:stream/web'
import { afterEach, beforeEach, expect, test } from 'vitest'

/** What the server is given to be silent for. */
const SILENT_MS = 300

let top: string
/** A folder of a server that can be stopped. */
let mounted: string
let server: ChildProcessByStdio<Writable, Readable, null>
let mount: AsyncDisposable

beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'ostler-answers-'))
  mounted = join(top, 'mounted')
  server = spawn('/usr/lib/openssh/sftp-server', [], { stdio: ['pipe', 'pipe', 'inherit'], cwd: top })
  // Node takes such a pair, its types know only that of the web.
  const pair = { readable: server.stdout, writable: server.stdin } as unknown as ReadableWritablePair
  mount = sshfsMount(mounted, Duplex.from(pair), Buffer.alloc(0))
  await until('the folder of the server to be mounted', () => isMounted(mounted))
})
afterEach(async () => {
  server.kill('SIGCONT')
  await mount[Symbol.asyncDispose]()
  server.kill('SIGKILL')
  rmSync(top, { recursive: true, force: true })
})

test('folders that answer are no matter, whether they are there or not', async () => {
  await requireAnswers([mounted, join(top, 'no/such/folder'), '/proc'])
})

test('a server that says nothing is named in its time, and files elsewhere are read meanwhile', async () => {
  server.kill('SIGSTOP')
  // Far more than there are threads to wait with.
  const asked = Array.from({ length: 20 }, () => requireAnswers(['/', mounted], SILENT_MS).catch(String))
  const silent = `the storage folder ${mounted} has not answered for 0.3 s`
  expect(new Set(await Promise.all(asked))).toEqual(new Set([expect.stringContaining(silent)]))
  expect(await readFile('/proc/self/comm', 'utf8')).not.toBe('')
})

test('one that is back answers again', async () => {
  server.kill('SIGSTOP')
  await expect(requireAnswers([mounted], SILENT_MS)).rejects.toMatchObject({ code: 'storage.silent' })
  server.kill('SIGCONT')
  await statfs(mounted)
  await requireAnswers([mounted])
})
