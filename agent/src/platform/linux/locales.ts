import type { run as runProgram } from '@ostler/kit/run.ts'

/** Which locales this system has. Asked once, when somebody wants to know. */
export class Locales {
  readonly #run: typeof runProgram
  #known: Promise<ReadonlySet<string>> | undefined

  constructor(run: typeof runProgram) {
    this.#run = run
  }

  /** `locale` if this system has it, else the one in UTF-8 that every system has. */
  async either(locale: string): Promise<string> {
    return (await this.has(locale)) ? locale : 'C.UTF-8'
  }

  /** True when programs can use `locale`, however its character set is spelt. */
  async has(locale: string): Promise<boolean> {
    this.#known ??= this.#run('locale', ['-a'], { timeoutMs: 5_000 }).then(
      ({ stdout }) => new Set(stdout.split('\n').filter(Boolean).map(plain)),
      () => new Set(['C', 'POSIX', 'C.utf8']),
    )
    return (await this.#known).has(plain(locale))
  }
}

/** `de_DE.UTF-8` and `de_DE.utf8` are the same. */
function plain(locale: string): string {
  return locale.replace(/\.([^@]+)/, (_, charset: string) => `.${charset.toLowerCase().replaceAll('-', '')}`)
}
