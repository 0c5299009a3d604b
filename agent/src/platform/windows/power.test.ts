import { expect, test } from 'vitest'
import { halt } from './power.ts'
import { ScriptedWindows } from './scripted-windows.ts'

test('the machine goes down', async () => {
  const windows = new ScriptedWindows()
  await halt(windows.tools)
  expect(windows.power).toBe('off')
})

test('a shutdown that is under way is as good', async () => {
  const windows = new ScriptedWindows()
  windows.power = 'going down'
  await halt(windows.tools)
})

test('a shutdown that was put off until later gives way', async () => {
  const windows = new ScriptedWindows()
  windows.power = 'scheduled'
  await halt(windows.tools)
  expect(windows.power).toBe('off')
})

test.each([
  ['missing', 'could not be started'],
  ['denied', 'Access is denied'],
  ['slow', 'timed out'],
] as const)('a shutdown.exe that is %s is an error', async (trouble, message) => {
  const windows = new ScriptedWindows()
  windows.breakProgram('shutdown', trouble)
  await expect(halt(windows.tools)).rejects.toThrow(message)
})
