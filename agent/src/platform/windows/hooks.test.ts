import { expect, test } from 'vitest'
import { windowsHooks } from './hooks.ts'
import { ScriptedWindows } from './scripted-windows.ts'

const INSTALLER = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
/** As on Windows 11. */
const DRIVE = `O:${INSTALLER}G:${INSTALLER}D:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)`
const PROGRAMS = `O:${INSTALLER}G:${INSTALLER}D:PAI(A;OICIIO;GA;;;CO)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;SY)(A;;0x1301bf;;;BA)(A;OICIIO;GXGR;;;BU)(A;;0x1200a9;;;BU)(A;;FA;;;${INSTALLER})`
const PROGRAM_DATA =
  'O:SYG:SYD:PAI(A;OICIIO;GA;;;CO)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;CI;DCLCRPCR;;;BU)'
const OURS = 'O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)'
const HOOK = 'C:\\Program Files\\Ostler\\connect.ps1'

function machine(): ScriptedWindows {
  const windows = new ScriptedWindows()
  windows.files.set('C:\\', { sddl: DRIVE, folder: true })
  windows.files.set('C:\\Program Files', { sddl: PROGRAMS, folder: true })
  windows.files.set('C:\\Program Files\\Ostler', { sddl: OURS, folder: true })
  for (const kind of ['ps1', 'exe', 'com', 'cmd', 'bat', 'vbs'])
    windows.files.set(`C:\\Program Files\\Ostler\\connect.${kind}`, { sddl: OURS, folder: false })
  return windows
}

test.each(['ps1', 'exe', 'com', 'PS1'])(
  'a hook .%s in a folder of the administrators is run',
  async (kind) => {
    const windows = machine()
    const file = `C:\\Program Files\\Ostler\\connect.${kind}`
    windows.files.set(file, { sddl: OURS, folder: false })
    expect(await windowsHooks(windows.tools).problem(file)).toBeUndefined()
  },
)

test.each([
  ['cmd', 'cmd.exe would take'],
  ['BAT', 'cmd.exe would take'],
  ['vbs', 'a hook is'],
])('a hook .%s is refused, unseen', async (kind, problem) => {
  const windows = machine()
  expect(await windowsHooks(windows.tools).problem(`C:\\Program Files\\Ostler\\connect.${kind}`)).toContain(
    problem,
  )
  expect(windows.calls).toEqual([])
})

test.each([
  'connect.ps1',
  '\\\\server\\share\\connect.ps1',
  '\\\\?\\C:\\Program Files\\Ostler\\connect.ps1',
  'C:connect.ps1',
  'C:\\Program Files\\..\\connect.ps1',
  'C:\\Program Files\\\\connect.ps1',
  'C:/Program Files/connect.ps1',
  'C:\\Program Files.\\connect.ps1',
  'C:\\Program Files\\connect.txt:stream.ps1',
  'C:\\Program Files\\*.ps1',
])('%s is no path of a hook', async (file) => {
  const windows = machine()
  expect(await windowsHooks(windows.tools).problem(file)).toMatch(/^it /)
  expect(windows.calls).toEqual([])
})

test.each([
  [
    'the file is a user’s',
    HOOK,
    OURS.replace('O:BA', 'O:S-1-5-21-1-2-3-1001'),
    'belongs to S-1-5-21-1-2-3-1001',
  ],
  ['users may write to the file', HOOK, `${OURS}(A;;0x2;;;BU)`, 'can be changed by the group Users'],
  ['anybody may delete the file', HOOK, `${OURS}(A;;SD;;;WD)`, 'can be changed by everybody'],
  [
    'somebody may change its list',
    HOOK,
    `${OURS}(A;;WD;;;S-1-5-21-1-2-3-1001)`,
    'can be changed by S-1-5-21',
  ],
  ['the file has no list', HOOK, 'O:BAG:SYD:NO_ACCESS_CONTROL', 'written to by everybody'],
  ['the list of the file is not understood', HOOK, 'O:BAG:SYD:(A;;FA;;;', 'could not be read'],
  [
    'users may put files beside it',
    'C:\\Program Files\\Ostler',
    PROGRAM_DATA,
    'can be changed by the group Users',
  ],
  [
    'users may empty a folder above',
    'C:\\Program Files',
    `${PROGRAMS}(A;;DT;;;AU)`,
    'everybody who is signed in',
  ],
  ['users may rename a folder above', 'C:\\Program Files', `${PROGRAMS}(A;;SD;;;BU)`, 'the group Users'],
])('a hook is refused when %s', async (_, path, sddl, problem) => {
  const windows = machine()
  windows.files.set(path, { sddl, folder: path !== HOOK })
  expect(await windowsHooks(windows.tools).problem(HOOK)).toContain(problem)
})

test('users may make folders beside those that lead to a hook', async () => {
  const windows = machine()
  windows.files.set('C:\\Program Files', { sddl: PROGRAM_DATA, folder: true })
  expect(await windowsHooks(windows.tools).problem(HOOK)).toBeUndefined()
})

test('what leads elsewhere, is a folder, is missing or lies on a foreign disk is refused', async () => {
  const windows = machine()
  const problem = async () => windowsHooks(windows.tools).problem(HOOK)
  windows.files.set('C:\\Program Files\\Ostler', { sddl: OURS, folder: true, link: true })
  expect(await problem()).toContain('leads elsewhere')
  windows.files.set('C:\\Program Files\\Ostler', { sddl: OURS, folder: true })
  windows.files.set(HOOK, { sddl: OURS, folder: true })
  expect(await problem()).toBe('it is not a file')
  windows.files.delete(HOOK)
  expect(await problem()).toBe(`there is no ${HOOK}`)
  windows.files.set(HOOK, { sddl: OURS, folder: false })
  windows.drive = 'Network'
  expect(await problem()).toContain('no disk of this machine (Network)')
})

test.each(['missing', 'slow', 'denied', 'garbage'] as const)(
  'a hook is refused when PowerShell is %s',
  async (trouble) => {
    const windows = machine()
    windows.breakProgram('powershell', trouble)
    expect(await windowsHooks(windows.tools).problem(HOOK)).toContain('could not be read')
  },
)

test('a script is run by PowerShell, a program by itself, with the arguments as they are', () => {
  const hooks = windowsHooks(new ScriptedWindows().tools)
  const args = ['qvd.vm.user.name', 'ann', 'custom.x', '& calc "a b" %PATH%']
  expect(hooks.command(HOOK, args)).toEqual({
    command: 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe',
    args: [
      ...['-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', HOOK],
      ...args,
    ],
  })
  const program = 'C:\\Program Files\\Ostler\\connect.exe'
  expect(hooks.command(program, args)).toEqual({ command: program, args })
  expect(hooks.environment).toMatchObject({ SystemRoot: 'C:\\Windows', TEMP: 'C:\\Windows\\Temp' })
})
