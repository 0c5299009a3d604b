import type { run as runProgram, RunOptions, RunResult } from '@ostler/kit/run.ts'
import { win32 } from 'node:path'

/** The system's own programs, below its folder: where a search path leads to plays no part. */
const PROGRAMS = {
  powershell: 'System32\\WindowsPowerShell\\v1.0\\powershell.exe',
  /** What `query session` runs. */
  qwinsta: 'System32\\qwinsta.exe',
  tsdiscon: 'System32\\tsdiscon.exe',
  logoff: 'System32\\logoff.exe',
  /** What `reset session` runs. */
  rwinsta: 'System32\\rwinsta.exe',
  shutdown: 'System32\\shutdown.exe',
  netsh: 'System32\\netsh.exe',
} as const

type ProgramName = keyof typeof PROGRAMS

/** Handed on to every program when we have them: without some of these, programs of Windows do not start. */
const HANDED_ON = ['SystemDrive', 'ComSpec', 'PATHEXT', 'ProgramData', 'ProgramFiles', 'COMPUTERNAME']

/** The programs of a Windows guest, and the environment in which they and hooks run. */
export class WindowsTools {
  readonly environment: Readonly<Record<string, string>>
  readonly #run: typeof runProgram
  readonly #root: string

  /** @param given our own environment: it says where the system is. */
  constructor(run: typeof runProgram, given: NodeJS.ProcessEnv) {
    this.#run = run
    const root = given['SystemRoot'] ?? 'C:\\Windows'
    this.#root = root
    const system = win32.join(root, 'System32')
    const temporary = win32.join(root, 'Temp')
    this.environment = {
      ...Object.fromEntries(
        HANDED_ON.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
      ),
      SystemRoot: root,
      windir: root,
      TEMP: temporary,
      TMP: temporary,
      PATH: [system, root, win32.join(system, 'Wbem'), win32.join(system, 'WindowsPowerShell\\v1.0')].join(
        ';',
      ),
    }
  }

  /** Where a program is. */
  path(program: ProgramName): string {
    return win32.join(this.#root, PROGRAMS[program])
  }

  /** Runs a program of the system; see `run` in kit. */
  run(
    program: ProgramName,
    args: readonly string[],
    options: Pick<RunOptions, 'input' | 'onOutput' | 'timeoutMs'>,
  ): Promise<RunResult> {
    return this.#run(this.path(program), args, { ...options, env: this.environment })
  }
}
