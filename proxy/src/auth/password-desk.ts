import { Fault } from '@ostler/contract/fault.ts'
import { Gate } from '@ostler/kit/gate.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { hashPassword, verifyPassword } from './password.ts'

/** Each takes a core for some 20 ms and 19 MiB: a flood of sign-ins must leave room for those who are in. */
const HASHES_AT_ONCE = 2
const HASHES_WAITING = 1_000

/** Hashes and checks passwords, a few at a time. All plugins of a process share one. */
export class PasswordDesk {
  readonly #gate = new Gate(HASHES_AT_ONCE, HASHES_WAITING)
  readonly #nobody: string

  private constructor(nobody: string) {
    this.#nobody = nobody
  }

  static async open(): Promise<PasswordDesk> {
    return new PasswordDesk(await hashPassword(new Secret('nobody has this password')))
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
