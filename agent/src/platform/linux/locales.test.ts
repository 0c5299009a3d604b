import { run, RunError } from '@ostler/kit/run.ts'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Locales } from './locales.ts'
import { PrivateSystem } from './private-system.ts'

test('the languages that are installed are there, however their character set is spelt', async () => {
  if (!existsSync('/usr/share/i18n/locales/de_DE'))
    throw new Error('this test needs the package locales; "npm test" installs it')
  await using system = await PrivateSystem.open()
  await system.shell(`localedef -i de_DE -f UTF-8 de_DE.UTF-8
localedef -i de_DE -f ISO-8859-15 de_DE@euro`)
  const wanted = ['de_DE.UTF-8', 'de_DE.utf8', 'de_DE.Utf-8', 'de_DE@euro', 'C.UTF-8', 'POSIX']
  const missing = ['de_DE', 'fi_FI.UTF-8', 'de_DE.UTF-8@euro', 'de_de.utf8', '']
  const answers = await system.call('locales', [...wanted, ...missing])
  expect(answers).toEqual([
    ...wanted.map((locale) => [true, locale]),
    ...missing.map(() => [false, 'C.UTF-8']),
  ])
})

test('the system is asked once, when somebody wants to know', async () => {
  let asked = 0
  const locales = new Locales((...args) => {
    asked += 1
    return run(...args)
  })
  expect(asked).toBe(0)
  expect(await Promise.all([locales.has('C.UTF-8'), locales.has('C'), locales.either('C')])).toEqual([
    true,
    true,
    'C',
  ])
  expect(asked).toBe(1)
})

test('of a system that cannot be asked, that is taken which every system has', async () => {
  const locales = new Locales(() =>
    Promise.reject(
      new RunError(['locale', '-a'], { exitCode: 1, signal: null, timedOut: false, stderr: '' }),
    ),
  )
  expect(await locales.has('C.UTF-8')).toBe(true)
  expect(await locales.either('en_US.UTF-8')).toBe('C.UTF-8')
})
