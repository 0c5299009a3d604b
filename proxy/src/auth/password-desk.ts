import { Fault } from '@ostler/contract/fault.ts'
import { Gate } from '@ostler/kit/gate.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { hashPassword, verifyPassword } from './password.ts'

/** Each takes a core for some 20 ms and 19 MiB: a flood of sign-ins must leave room for those who are in. */
const HASHES_AT_ONCE = 2
const HASHES_WAITING = 1_000
/** Who is in comes before who wants to come in. */
const HASHING_PRIORITY = 10

/** Hashes and checks passwords, a few at a time. All plugins of a process share one. */
export class PasswordDesk {
  readonly #gate = new Gate(HASHES_AT_ONCE, HASHES_WAITING)
  readonly #nobody: string

  private constructor(nobody: string) {
    this.#nobody = nobody
  }

  static async open(): Promise<PasswordDesk> {
    const desk = new PasswordDesk(await hashPassword(new Secret('nobody has this password')))
    yieldToTheLoop()
    return desk
  }

  /**
   * Says whether a password belongs to a hash. Without a hash it takes as long, and says no.
   * @throws Fault `auth.unavailable` when too many wait already.
   */
  async verify(password: Secret, hash: string | undefined): Promise<boolean> {
    const matches = await this.#pass(() => verifyPassword(password, hash ?? this.#nobody))
    return matches && hash !== undefined
  }

  /** @throws Fault `auth.unavailable` when too many wait already. */
  async hash(password: Secret): Promise<string> {
    return await this.#pass(() => hashPassword(password))
  }

  #pass<T>(job: () => Promise<T>): Promise<T> {
    return this.#gate.pass(
      job,
      () => new Fault('auth.unavailable', { reason: 'too many are signing in at once' }),
    )
  }
}

/** Lets the threads that hash, which there are after the first hash, yield to the thread that carries the streams. */
function yieldToTheLoop(): void {
  try {
    for (const thread of readdirSync('/proc/self/task'))
      if (readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('libuv-worker'))
        setPriority(Number(thread), HASHING_PRIORITY)
  } catch {
    // Where threads cannot be seen they stay as they are.
  }
}
