import { findAccount } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { processHypervisor } from '../../proxy/src/hypervisor/process/process.ts'
import { findSandbox } from '../../proxy/src/hypervisor/process/sandbox-processes.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'
import { testHome } from '../fixtures/home.ts'
import { until } from '../fixtures/world.ts'
import { quietBundle } from './quiet-guest.ts'

const ID = 7
const PATIENCE_MS = 30_000

const folder = mkdtempSync('/var/lib/ostler-process-death-')
const groups = join(folder, 'memory')
const settings = {
  prefix: 'pd-',
  run: join(folder, 'run'),
  images: join(folder, 'images'),
  overlays: join(folder, 'overlays'),
  homes: join(folder, 'homes'),
  bundle: quietBundle(join(folder, 'bundle')),
  displayGid: findAccount('nobody')?.gid ?? 0,
  root: { firstUid: 2_000_000, cgroups: { version: 1, hierarchies: [groups], counted: groups } },
} as const
const spec: DesktopSpec = {
  ...{ id: ID, epoch: 1, name: 'desk-7', tenantId: 1, ownerId: ID, login: 'user7', address: '127.0.0.1' },
  flavour: { id: 1, memoryMb: 256, cpuPercent: 100 },
  home: testHome(ID),
  image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
}
const sandbox = () => findSandbox(runFolder(settings.run, ID).root)

afterEach(async () => {
  for (const { pid } of [...sandbox().inits, ...sandbox().keepers]) process.kill(pid, 'SIGKILL')
  await processHypervisor(settings).release(ID)
  rmSync(folder, { recursive: true, force: true })
})

test('a desktop whose hkd dies before it is in its control group never begins', async () => {
  // Whoever sets this limit waits for a reader for ever.
  const payload = join(groups, `ostler/${settings.prefix}${ID}/payload`)
  mkdirSync(payload, { recursive: true })
  await run('mkfifo', [join(payload, 'memory.limit_in_bytes')])
  mkdirSync(join(settings.homes, spec.home.path), { recursive: true })
  await processHypervisor(settings).prepare(spec)
  const file = join(folder, 'boot.json')
  writeFileSync(file, JSON.stringify({ settings, spec }))
  const hkd = spawn(process.execPath, [join(import.meta.dirname, 'boot-once.ts'), file], { stdio: 'inherit' })
  await until('the sandbox to wait for its group', () => sandbox().keepers.length > 0, PATIENCE_MS)
  const ended = once(hkd, 'exit')
  hkd.kill('SIGKILL')
  await ended
  await until(
    'nothing of it to be there',
    () => sandbox().keepers.length + sandbox().inits.length === 0,
    PATIENCE_MS,
  )
  expect(hkd.signalCode).toBe('SIGKILL')
})
