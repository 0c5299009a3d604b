import { expect, test } from 'vitest'
import { parseSessions, querySessions } from './query-session.ts'
import { ScriptedWindows } from './scripted-windows.ts'

const ENGLISH = ` SESSIONNAME       USERNAME                 ID  STATE   TYPE        DEVICE 
>services                                    0  Disc                        
 console                                     1  Conn                        
 rdp-tcp#3         lab-user                  3  Active                      
                   Administrator             4  Disc                        
 rdp-tcp                                 65536  Listen                      
`

/** From a Spanish Windows Server, as its console prints it, read as UTF-8. */
const SPANISH = ` NOMBRE DE SESI\ufffdN  NOMBRE DE USUARIO        ID  ESTADO    TIPO   DISPOSITIVO
 services                                    0  Desc
 console                                     1  Conn
                   sap                       2  Desc
 rdp-tcp#80        jcalderon                 5  Activo
                   ccoro                    10  Desc
`

/** Windows 11 since 24H2 leaves the last columns out. */
const SHORT = ` SESSIONNAME       USERNAME                 ID  STATE
 services                                    0  Disc
>console           Administrator             1  Active
 rdp-tcp                                 65536  Listen
`

test.each([
  [
    'English',
    ENGLISH,
    [
      { id: 3, user: 'lab-user', connected: true },
      { id: 4, user: 'Administrator', connected: false },
    ],
  ],
  [
    'Spanish',
    SPANISH,
    [
      { id: 2, user: 'sap', connected: false },
      { id: 5, user: 'jcalderon', connected: true },
      { id: 10, user: 'ccoro', connected: false },
    ],
  ],
  ['short', SHORT, [{ id: 1, user: 'Administrator', connected: true }]],
])('a list in %s form is read', (_, text, sessions) => {
  expect(parseSessions(text)).toEqual(sessions)
  expect(parseSessions(text.replaceAll('\n', '\r\n'))).toEqual(sessions)
})

test('a user may have blanks and numbers in the name', () => {
  const list = ` services                                    0  Disc
 rdp-tcp#1         night shift 12            7  Active
`
  expect(parseSessions(list)).toEqual([{ id: 7, user: 'night shift 12', connected: true }])
})

test('a session that says the word of session 0 is disconnected, although it has a name', () => {
  const list = ` services                                    0  Getr.
 rdp-tcp#1         ann                       7  Getr.
 31c5ce94259d4...  bob                       8  Aktiv
`
  expect(parseSessions(list)).toEqual([
    { id: 7, user: 'ann', connected: false },
    { id: 8, user: 'bob', connected: true },
  ])
})

test.each([
  ['nothing', ''],
  ['no session for the caller', 'No session exists for *\r\n'],
  ['something else', '<html>502 Bad Gateway</html>'],
  ['the list cut off after its heading', ENGLISH.slice(0, 80)],
])('%s is not taken for a machine where nobody is signed in', (_, text) => {
  expect(parseSessions(text)).toBeUndefined()
})

test.each(['en', 'es'] as const)(
  'the list of a machine that speaks %s is asked for and read',
  async (language) => {
    const windows = new ScriptedWindows()
    windows.language = language
    windows.signIn('ann', 'console')
    windows.signIn('bob', '')
    const expected = [
      { id: 2, user: 'ann', connected: true },
      { id: 3, user: 'bob', connected: false },
    ]
    expect(await querySessions(windows.tools, 1_000)).toEqual(expected)
    windows.exitsWithOne = true
    expect(await querySessions(windows.tools, 1_000)).toEqual(expected)
  },
)

test.each([
  ['missing', 'could not be started'],
  ['slow', 'timed out'],
  ['denied', 'Access is denied'],
  ['garbage', 'not understood'],
] as const)('a program that is %s is an error', async (trouble, message) => {
  const windows = new ScriptedWindows()
  windows.breakProgram('qwinsta', trouble)
  await expect(querySessions(windows.tools, 1_000)).rejects.toThrow(message)
})
