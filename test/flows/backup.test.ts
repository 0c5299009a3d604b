import { run } from '@ostler/kit/run.ts'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../fixtures/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ 'vm.hypervisor': 'simulated', 'backup.at': '' })
})
afterAll(async () => await world[Symbol.asyncDispose]())

test('a node is saved with one command, loses its database, and is restored with another', async () => {
  const { folder } = world.node.settings
  await world.qa('user add login=ann password=-')
  const [, file = ''] = /made and verified: (\S+)$/.exec(await world.qa('backup now')) ?? []
  await world.qa('user add login=late password=-')
  expect(await world.qa('backup list')).toContain(file)

  const hkd = async (...words: string[]): Promise<void> =>
    void (await run(
      join(folder, 'lib/node'),
      [join(folder, 'lib/hkd.cjs'), '--config', world.node.config, ...words],
      { timeoutMs: 120_000 },
    ))
  const backup = join(folder, 'state/backup', file)
  await expect(hkd('restore', backup)).rejects.toThrow(/already running/)
  for (const name of ['l7r', 'api']) await world.node.crash(name)
  await hkd('shutdown')
  await expect(hkd('restore', backup)).rejects.toThrow(/restore\.notEmpty/)
  rmSync(join(folder, 'state/postgres'), { recursive: true })
  await expect(world.node.start('hkd')).rejects.toThrow(/database\.missing/)
  await hkd('restore', backup)

  await world.node.start('hkd')
  await Promise.all([world.node.start('l7r'), world.node.start('api')])
  const users = await world.qa('user list')
  expect(users).toContain('ann')
  expect(users).not.toContain('late')
  expect(await world.qa('backup now')).toContain('made and verified')
})
