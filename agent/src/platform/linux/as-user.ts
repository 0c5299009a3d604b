import type { Account } from '@ostler/kit/passwd.ts'
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Starts a program as a user of the guest, detached, with her groups and nothing of our privileges. */
export interface AsUser {
  (
    account: Account,
    command: string,
    args: readonly string[],
    options: { env: Readonly<Record<string, string>>; stdio: StdioOptions },
  ): ChildProcess
}

/** @param setpriv util-linux's setpriv: spawn's own uid option would keep root's groups. */
export function asUserWith(setpriv: () => string): AsUser {
  return (account, command, args, options) =>
    spawn(
      setpriv(),
      [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        '--init-groups',
        '--inh-caps=-all',
        '--',
        command,
        ...args,
      ],
      {
        env: options.env,
        stdio: options.stdio,
        cwd: existsSync(account.home) ? account.home : '/',
        detached: true,
      },
    )
}
