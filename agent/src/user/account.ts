import type { Account } from '@ostler/kit/passwd.ts'

/** The account that a session is to run as, as its parameters say; checked. */
export interface UserRequest {
  readonly name: string
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** The primary group. */
  readonly group: string
  /** Extra groups. */
  readonly groups: readonly string[]
  readonly home: string
  readonly shell: string
}

/** The operating system's accounts. */
export interface Accounts {
  /** The account of that name; `undefined` when there is none. */
  find(name: string): Promise<Account | undefined>
  /**
   * Makes an account, its group and its home.
   * @returns warnings, such as a group that does not exist here.
   * @throws Fault `session.user`; nothing half-made is left, and nothing that was there before is touched.
   */
  create(request: UserRequest): Promise<{ warnings: readonly string[]; undo: () => Promise<void> }>
}
