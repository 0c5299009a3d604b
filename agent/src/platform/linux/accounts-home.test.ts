import { run } from '@ostler/kit/run.ts'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadAgentConfig } from '../../config/load.ts'
import { linuxAccounts } from './accounts.ts'

test('looking why useradd could not make a home touches nobody’s folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-accounts-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'eve.trial'))
  writeFileSync(join(folder, 'eve.trial/work'), '')
  const useradd = join(folder, 'useradd')
  writeFileSync(useradd, '#!/bin/sh\nexit 12\n', { mode: 0o755 })
  const { values } = loadAgentConfig({ own: join(folder, 'none'), qvd: join(folder, 'none') })
  const accounts = linuxAccounts(() => ({ ...values, 'command.useradd': useradd }), run)
  const request = { uid: undefined, gid: undefined, group: 'ostler-eve', groups: [], shell: '/bin/sh' }
  const made = accounts.create({ ...request, name: 'ostler-eve', home: join(folder, 'eve') })
  await expect(made).rejects.toMatchObject({ code: 'session.user' })
  expect(readdirSync(folder).sort()).toEqual(['eve.trial', 'useradd'])
  expect(readdirSync(join(folder, 'eve.trial'))).toEqual(['work'])
})
