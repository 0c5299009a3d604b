import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { endWindowsTree } from './windows-tree.ts'

test.each(['/no/such/taskkill.exe', '/bin/false'])(
  'a program ends although %s does nothing for it',
  async (taskkill) => {
    const child = spawn('sleep', ['1000'])
    endWindowsTree(child, taskkill)
    const [, signal] = (await once(child, 'exit')) as [number | null, string]
    expect(signal).toBe('SIGKILL')
  },
)

test('a program that did not start is left alone', async () => {
  const child = spawn('/no/such/program')
  await once(child, 'error')
  expect(() => endWindowsTree(child, '/no/such/taskkill.exe')).not.toThrow()
})
