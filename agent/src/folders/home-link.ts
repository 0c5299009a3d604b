import type { Account } from '@ostler/kit/passwd.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { AsUser } from '../platform/linux/as-user.ts'

const LINK_MS = 5_000

/**
 * Where a user finds the folders of her client, such as `~/Redirected`: a link in her home to where they are mounted.
 * A mount itself stands in no home, which programs search and copy.
 */
export class HomeLink {
  readonly #account: Account
  readonly #target: string
  readonly #asUser: AsUser
  /** As it is configured: `~/…`. */
  readonly shown: string
  readonly #path: string

  /** @param shown `vma.user.shares.path`. */
  constructor(account: Account, shown: string, target: string, asUser: AsUser) {
    this.#account = account
    this.#target = target
    this.#asUser = asUser
    this.shown = shown
    this.#path = join(account.home, shown.replace(/^~\//, ''))
  }

  /**
   * Makes the link, as the user: in her home nothing is done by root. An empty folder gives way to it.
   * @returns the place that she can be told: where something else has the name, the mount's own.
   */
  async make(): Promise<string> {
    if (!this.#stands()) {
      await this.#clear()
      const parent = dirname(this.#path)
      if (parent !== this.#account.home) await this.#do('mkdir', ['-p', '--', parent])
      await this.#do('rmdir', ['--ignore-fail-on-non-empty', '--', this.#path])
      await this.#do('ln', ['-s', '-n', '-T', '--', this.#target, this.#path])
    }
    return this.#stands() ? this.shown : this.#target
  }

  /**
   * Whether something of hers has this name below it, so that a folder of the client could not be found there. What stands
   * where the link leads is not asked for.
   */
  async holds(name: string): Promise<boolean> {
    if (this.#stands()) return false
    await this.#clear()
    return await this.#do('test', ['-e', join(this.#path, name)])
  }

  /** Removes the link, if it is ours. */
  async remove(): Promise<void> {
    if (this.#stands()) await this.#do('rm', ['--', this.#path])
  }

  #stands(): boolean {
    try {
      return readlinkSync(this.#path) === this.#target
    } catch {
      return false
    }
  }

  /** Removes empty folders below it: each share of QVD's agent leaves one, as its mount point. */
  async #clear(): Promise<void> {
    await this.#do('find', [this.#path, ...'-mindepth 1 -maxdepth 1 -type d -empty -delete'.split(' ')])
  }

  /** @returns whether it ended with 0, in time. */
  async #do(program: string, args: readonly string[]): Promise<boolean> {
    const child = this.#asUser(this.#account, program, args, { env: DEFAULT_ENV, stdio: 'ignore' })
    try {
      const [code] = (await withDeadline(`${program} ${basename(this.#path)}`, LINK_MS, (signal) =>
        once(child, 'exit', { signal }),
      )) as [number | null]
      return code === 0
    } catch {
      child.kill('SIGKILL')
      return false
    }
  }
}
