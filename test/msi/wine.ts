import { Scope } from '@ostler/kit/scope.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const WINE = '/usr/lib/wine/wine64'
const SERVER = '/usr/lib/wine/wineserver64'
const PROGRAM_MS = 300_000

/** What a program of Windows has answered. */
export interface WineAnswer {
  readonly code: number
  readonly text: string
}

/**
 * A Windows that is none: Wine with a folder of its own, without a screen. Its services run as long as it is open.
 */
export class Wine implements AsyncDisposable {
  readonly folder: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #scope = new Scope()

  private constructor(folder: string) {
    this.folder = folder
    this.#environment = {
      PATH: '/usr/bin:/bin',
      HOME: folder,
      WINEPREFIX: join(folder, 'prefix'),
      WINEDEBUG: '-all',
      // It would ask to download what nobody here needs.
      WINEDLLOVERRIDES: 'mscoree=;mshtml=',
    }
  }

  static async open(): Promise<Wine> {
    const wine = new Wine(mkdtempSync(join(tmpdir(), 'ostler-wine-')))
    wine.#scope.defer(() => rmSync(wine.folder, { recursive: true, force: true, maxRetries: 5 }))
    wine.#scope.defer(() => wine.#endAll())
    try {
      await wine.run('wineboot', '-i')
      // Node looks which Windows it is.
      await wine.run('winecfg', '-v', 'win10')
      // One that is just ending would take the next one's services along.
      await wine.#server('-w')
      wine.#stay()
      return wine
    } catch (error) {
      await wine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A path of drive C, as Linux sees it. */
  path(...names: string[]): string {
    return join(this.folder, 'prefix/drive_c', ...names)
  }

  /** Every file and folder of drive C. */
  files(): string[] {
    // Links lead out of it.
    const below = (folder: string): string[] =>
      readdirSync(this.path(folder), { withFileTypes: true }).flatMap((entry) => {
        const name = join(folder, entry.name)
        return entry.isDirectory() ? [name, ...below(name)] : [name]
      })
    return below('').sort()
  }

  /** Runs a program until it ends. Its output is a file: Node under Wine cannot write to a pipe. */
  async run(...argv: string[]): Promise<WineAnswer> {
    const file = join(this.folder, 'output.txt')
    const output = openSync(file, 'w')
    try {
      const child = spawn(WINE, argv, {
        env: this.#environment,
        cwd: this.folder,
        stdio: ['ignore', output, output],
        timeout: PROGRAM_MS,
        killSignal: 'SIGKILL',
      })
      const [code] = (await once(child, 'exit')) as [number | null]
      return { code: code ?? -1, text: readFileSync(file, 'latin1') }
    } finally {
      closeSync(output)
    }
  }

  /** All of the registry that names something: one line each. */
  async registry(word: string): Promise<string[]> {
    const found: string[] = []
    for (const root of ['HKLM', 'HKCU', 'HKU\\.Default']) {
      await this.run('reg.exe', 'export', root, 'C:\\exported.reg', '/y')
      const lines = readFileSync(this.path('exported.reg'), 'utf16le').split('\r\n')
      rmSync(this.path('exported.reg'))
      found.push(...lines.filter((line) => line.toLowerCase().includes(word.toLowerCase())))
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }

  /** Wine ends its services with its last program: one that reads what never comes. */
  #stay(): void {
    const child = spawn(WINE, ['cmd.exe'], {
      env: this.#environment,
      cwd: this.folder,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#scope.defer(() => {
      child.stdin.end()
      child.kill('SIGKILL')
    })
  }

  /** Everything of this folder's Wine, and of no other. */
  async #endAll(): Promise<void> {
    await this.#server('-k')
    await this.#server('-w')
  }

  /** Ends this folder's Wine (`-k`), or waits until it has ended (`-w`). */
  async #server(word: '-k' | '-w'): Promise<void> {
    const server = spawn(SERVER, [word], { env: this.#environment, stdio: 'ignore', timeout: 60_000 })
    await once(server, 'exit')
  }
}
