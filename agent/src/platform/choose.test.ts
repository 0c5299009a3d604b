import { afterEach, expect, test } from 'vitest'
import { platformHere } from './choose.ts'

const here = process.platform
afterEach(() => {
  Object.defineProperty(process, 'platform', { value: here })
})

const noConfig = (): never => {
  throw new Error('it is not needed yet')
}

test.each([
  ['linux', 'PATH', '/usr/bin'],
  ['win32', 'SystemRoot', 'C:\\Windows'],
])('on %s hooks find the %s of that system', async (platform, name, value) => {
  Object.defineProperty(process, 'platform', { value: platform })
  const { hooks } = await platformHere(noConfig)
  expect(hooks.environment[name]).toContain(value)
})

test('only Windows brings a session of its own', async () => {
  expect(await platformHere(noConfig)).not.toHaveProperty('session')
  Object.defineProperty(process, 'platform', { value: 'win32' })
  expect(await platformHere(noConfig)).toHaveProperty('session')
})
