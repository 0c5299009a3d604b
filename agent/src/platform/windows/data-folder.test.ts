import { loadAgentConfig } from '../../config/load.ts'
import { win32 } from 'node:path'
import { expect, test } from 'vitest'
import { configurationHere, dataFolder } from './data-folder.ts'

test('the data folder is what the service says, else the one of all programs', () => {
  expect(dataFolder({ OSTLER_DATA: 'D:\\Data', ProgramData: 'C:\\ProgramData' })).toBe('D:\\Data')
  expect(dataFolder({ ProgramData: 'E:\\ProgramData' })).toBe('E:\\ProgramData\\Ostler')
  expect(dataFolder({})).toBe('C:\\ProgramData\\Ostler')
})

test('as the installer gives it, with a dot at its end, it makes plain paths', () => {
  const { own, defaults } = configurationHere({
    OSTLER_DATA: 'C:\\ProgramData\\Ostler\\.',
    SystemRoot: 'C:\\Windows',
  })
  expect(own).toBe('C:\\ProgramData\\Ostler\\vma.conf')
  expect(defaults).toEqual({
    'path.run': 'C:\\ProgramData\\Ostler\\run',
    'path.log': 'C:\\ProgramData\\Ostler\\log',
    'path.tmp': 'C:\\Windows\\Temp',
    'internal.vma.boot.port': '\\\\.\\Global\\org.ostler.boot',
  })
})

test('the boot port is a path that Windows and Node leave as it is', () => {
  const { defaults } = configurationHere({})
  const port = defaults['internal.vma.boot.port']
  expect(win32.isAbsolute(port)).toBe(true)
  expect(win32.toNamespacedPath(port)).toBe(port)
})

test('a system may have defaults of its own', () => {
  const { values, origin } = loadAgentConfig({
    own: '/nowhere/vma.conf',
    defaults: { 'path.run': '/elsewhere' },
  })
  expect(values['path.run']).toBe('/elsewhere')
  expect(origin('path.run')).toBe('default')
})
