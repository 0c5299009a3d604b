import { RunError, type run, type RunOptions, type RunResult } from '@ostler/kit/run.ts'
import { win32 } from 'node:path'
import { FIND_ACCOUNT, MAKE_ACCOUNT, REMOVE_ACCOUNT } from './accounts.ts'
import { LOOK_AT_PATHS } from './hook-file.ts'
import { wholeScript } from './powershell.ts'
import { WindowsTools } from './tools.ts'

/** What its programs can be made to do instead of their work. */
type Trouble = 'missing' | 'slow' | 'garbage' | 'denied'

interface ScriptedUser {
  readonly name: string
  readonly number: number
  readonly mark: string
  readonly groups: string[]
  enabled: boolean
  /** Where her profile is, once she has signed in. */
  profile: string | null
}

interface ScriptedSession {
  readonly id: number
  readonly user: string
  /** Empty when it is disconnected. */
  name: string
}

interface ScriptedFile {
  readonly sddl: string
  readonly folder: boolean
  readonly link?: boolean
}

interface Call {
  readonly program: string
  readonly args: readonly string[]
  readonly input: string
}

const MACHINE = 'S-1-5-21-1004336348-1177238915-682003330'

/** As recorded: an English Windows 10, a Spanish Windows Server. The Spanish heading is in code page 850, as on a console. */
const LISTS = {
  en: {
    heading: ' SESSIONNAME       USERNAME                 ID  STATE   TYPE        DEVICE ',
    words: { active: 'Active ', disconnected: 'Disc   ', connecting: 'Conn   ', listening: 'Listen ' },
    none: 'No session exists for *',
    denied: 'Access is denied.',
  },
  es: {
    heading: ' NOMBRE DE SESI\xe0N  NOMBRE DE USUARIO        ID  ESTADO    TIPO   DISPOSITIVO',
    words: { active: 'Activo', disconnected: 'Desc', connecting: 'Conn', listening: 'Escuchar' },
    none: 'No existe ninguna sesi\xa2n para *',
    denied: 'Acceso denegado.',
  },
} as const

/**
 * A Windows in memory, for tests: it answers the very commands that the agent runs, in the form of the real programs, and knows
 * our PowerShell scripts by their text. Any other command is an error of the test.
 */
export class ScriptedWindows {
  readonly users: ScriptedUser[] = [
    { name: 'Administrador', number: 500, mark: '', groups: [], enabled: true, profile: null },
    { name: 'Invitado', number: 501, mark: '', groups: [], enabled: false, profile: null },
  ]
  readonly groups = ['Users', 'Administrators', 'Remote Desktop Users', 'qvduser']
  /** Names that are no local account's: groups, and what a domain knows. */
  readonly others = new Map<string, string>([
    ['system', 'S-1-5-18'],
    ['qvduser', `${MACHINE}-1003`],
    ['domanna', 'S-1-5-21-9-8-7-1107'],
  ])
  readonly sessions: ScriptedSession[] = []
  readonly files = new Map<string, ScriptedFile>()
  readonly calls: Call[] = []
  language: keyof typeof LISTS = 'en'
  drive = 'Fixed'
  power: 'on' | 'off' | 'scheduled' | 'going down' = 'on'
  /** Sign-offs that wait for a program of the user's; only a reset ends them. */
  stubborn = false
  /** qwinsta of some versions exits with 1 after it has told everything. */
  exitsWithOne = false
  readonly #troubles = new Map<string, Trouble>()
  readonly #events = new Map<string, () => void>()
  #next = 1_004

  /** What the agent would make of a real one. */
  get tools(): WindowsTools {
    return new WindowsTools(this.run, { SystemRoot: 'C:\\Windows', LD_PRELOAD: 'not handed on' })
  }

  /** From now on a program fails in this way; `undefined` mends it. */
  breakProgram(program: string, trouble: Trouble | undefined): void {
    if (trouble === undefined) this.#troubles.delete(program)
    else this.#troubles.set(program, trouble)
  }

  /** Something happens just before the next run of a program does its work. */
  before(program: string, event: () => void): void {
    this.#events.set(program, event)
  }

  /** A user signs in, or joins her session again. */
  signIn(user: string, name = 'rdp-tcp#3'): ScriptedSession {
    const there = this.sessions.find((session) => session.user === user)
    if (there !== undefined) {
      there.name = name
      return there
    }
    const session = { id: Math.max(1, ...this.sessions.map(({ id }) => id)) + 1, user, name }
    this.sessions.push(session)
    return session
  }

  /** The session is gone: signed off, or ended by an administrator. */
  signOff(user: string): void {
    this.sessions.splice(0, Infinity, ...this.sessions.filter((session) => session.user !== user))
  }

  /** How often a program was run. */
  runsOf(program: string): number {
    return this.calls.filter((call) => call.program === program).length
  }

  readonly run: typeof run = (command, args, options) =>
    Promise.resolve().then(() => this.#answer(command, args, options ?? {}))

  #answer(command: string, args: readonly string[], options: RunOptions): RunResult {
    const program = win32.basename(command, '.exe')
    const call = { program, args, input: options.input ?? '' }
    this.calls.push(call)
    check(command, args, options)
    const event = this.#events.get(program)
    this.#events.delete(program)
    event?.()
    const trouble = this.#troubles.get(program)
    if (trouble !== undefined) return this.#misbehave(trouble, [command, ...args], options)
    return this.#work(call, [command, ...args], options)
  }

  #misbehave(trouble: Trouble, argv: readonly string[], options: RunOptions): RunResult {
    if (trouble === 'missing') throw failure(argv, null, '', new Error(`spawn ${argv[0] ?? ''} ENOENT`))
    if (trouble === 'slow')
      throw new RunError(argv, { exitCode: null, signal: 'SIGTERM', timedOut: true, stderr: '' })
    if (trouble === 'denied')
      throw failure(argv, 1, `Error [5]:${LISTS[this.language].denied}\r\n`, undefined, options)
    return say('\u0000\u0001 <html>502 Bad Gateway</html>\r\n{"half": ', options)
  }

  #work(call: Call, argv: readonly string[], options: RunOptions): RunResult {
    const id = Number(call.args[0])
    switch (call.program) {
      case 'qwinsta': {
        const text = this.#list()
        if (this.exitsWithOne) throw failure(argv, 1, text, undefined, options)
        return say(text, options)
      }
      case 'tsdiscon':
        this.#session(id, argv, options).name = ''
        return say('', options)
      case 'logoff':
      case 'rwinsta': {
        const { user } = this.#session(id, argv, options)
        if (call.program === 'logoff' && this.stubborn) return say('', options)
        this.signOff(user)
        return say('', options)
      }
      case 'shutdown':
        return this.#shutdown(call.args, argv, options)
      case 'powershell':
        return say(`${this.#powershell(call)}\r\n`, options)
      default:
        throw new Error(`the scripted Windows has no ${call.program}`)
    }
  }

  #session(id: number, argv: readonly string[], options: RunOptions): ScriptedSession {
    const session = this.sessions.find((each) => each.id === id)
    if (session === undefined) throw failure(argv, 1, `Session ID ${id} not found\r\n`, undefined, options)
    return session
  }

  #list(): string {
    const { heading, words } = LISTS[this.language]
    const row = (name: string, user: string, id: number, word: string): string =>
      ` ${name.padEnd(17)} ${user.padEnd(20)}  ${String(id).padStart(5)}  ${word}                `
    return [
      heading,
      row('services', '', 0, words.disconnected).replace(' ', '>'),
      ...(this.sessions.some(({ name }) => name === 'console')
        ? []
        : [row('console', '', 1, words.connecting)]),
      ...this.sessions.map(({ name, user, id }) =>
        row(name, user, id, name === '' ? words.disconnected : words.active),
      ),
      row('rdp-tcp', '', 65_536, words.listening),
      '',
    ].join('\r\n')
  }

  #shutdown(args: readonly string[], argv: readonly string[], options: RunOptions): RunResult {
    if (args[0] === '/a') {
      this.power = 'on'
      return say('', options)
    }
    if (args.join(' ') !== '/s /t 0 /f /d p:0:0') throw new Error(`shutdown ${args.join(' ')}`)
    if (this.power === 'going down') throw failure(argv, 1_115, 'A system shutdown is in progress.(1115)')
    if (this.power === 'scheduled') throw failure(argv, 1_190, 'A system shutdown has been scheduled.(1190)')
    this.power = 'off'
    return say('', options)
  }

  // --- PowerShell ---

  #powershell(call: Call): string {
    const script = call.args.at(-1) ?? ''
    const [line = '', secret = ''] = call.input.split('\n')
    const given = JSON.parse(line) as Given
    const answer = ((): object => {
      switch (script) {
        case wholeScript(FIND_ACCOUNT):
          return this.#find(given.name)
        case wholeScript(MAKE_ACCOUNT):
          return this.#make(given, secret)
        case wholeScript(REMOVE_ACCOUNT):
          return this.#remove(given.mark)
        case wholeScript(LOOK_AT_PATHS):
          return this.#lookAt(given.paths)
        default:
          throw new Error('the scripted Windows does not know this script')
      }
    })()
    return `WARNING: a module says something first\r\n${JSON.stringify(answer)}`
  }

  #find(name: string): object {
    const user = this.users.find((each) => each.name.toLowerCase() === name.toLowerCase())
    const sid = user === undefined ? this.others.get(name.toLowerCase()) : `${MACHINE}-${user.number}`
    return {
      sid: sid ?? null,
      machine: MACHINE,
      local: user !== undefined,
      enabled: user?.enabled ?? true,
      profile: user?.profile ?? null,
      profiles: 'C:\\Users',
    }
  }

  #make({ name, mark, groups, builtin }: Given, secret: string): object {
    if (secret.length < 14 || !/^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*\W)[\x21-\x7e]+$/.test(secret))
      return {
        failed: 'InvalidPassword,Microsoft.PowerShell.Commands.NewLocalUserCommand',
        says: 'Unable to update the password.',
      }
    if (this.users.some((user) => user.name.toLowerCase() === name.toLowerCase()))
      return {
        failed: 'UserExists,Microsoft.PowerShell.Commands.NewLocalUserCommand',
        says: `User ${name} already exists.`,
      }
    const known = groups.filter((group) => this.groups.includes(group))
    const number = (this.#next += 1)
    this.users.push({ name, number, mark, groups: [...builtin, ...known], enabled: true, profile: null })
    return { missing: groups.filter((group) => !known.includes(group)) }
  }

  #remove(mark: string): object {
    const marked = this.users.filter((user) => user.mark === mark)
    for (const user of marked) this.users.splice(this.users.indexOf(user), 1)
    return { removed: marked.length }
  }

  #lookAt(paths: readonly string[]): object {
    const missing = paths.find((path) => !this.files.has(path))
    if (missing !== undefined) return { missing }
    const parts = paths.map((path) => ({ path, link: false, ...this.files.get(path) }))
    return { drive: this.drive, parts }
  }
}

interface Given {
  readonly name: string
  readonly mark: string
  readonly groups: readonly string[]
  readonly builtin: readonly string[]
  readonly paths: readonly string[]
}

/** What holds for every command that we run on a Windows. */
function check(command: string, args: readonly string[], { env, timeoutMs }: RunOptions): void {
  if (!command.startsWith('C:\\Windows\\System32\\')) throw new Error(`${command} is not the system's`)
  if (args.some((arg) => arg.includes('"'))) throw new Error('an argument has a double quote')
  if (env?.['SystemRoot'] === undefined) throw new Error('programs of Windows need SystemRoot')
  if ('LD_PRELOAD' in env) throw new Error('our own environment is handed on')
  if (timeoutMs === undefined) throw new Error(`${command} has no deadline of its own`)
}

function say(text: string, { onOutput }: RunOptions): RunResult {
  const bytes = Buffer.from(text, 'latin1')
  onOutput?.(bytes)
  return { stdout: bytes.toString('utf8'), stderr: '' }
}

function failure(
  argv: readonly string[],
  exitCode: number | null,
  text: string,
  cause?: unknown,
  options: RunOptions = {},
): RunError {
  const { stdout } = say(text, options)
  return new RunError(argv, { exitCode, signal: null, timedOut: false, stderr: stdout }, cause)
}
