import { isSoleUser } from '../../user/sole-user.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Starts a program as a user of the guest, detached, in her home, with her groups and nothing of our privileges. */
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
  return (account, command, args, options) => {
    const become = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--inh-caps=-all']
    return spawn(
      setpriv(),
      [
        // The one user of a desktop is who we are already.
        ...(isSoleUser() ? ['--no-new-privs'] : become),
        '--',
        // Her environment and her folder begin here: until now we are root, and they could say where setpriv or its libraries are.
        'env',
        '--ignore-environment',
        `--chdir=${existsSync(account.home) ? account.home : '/'}`,
        ...Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
        command,
        ...args,
      ],
      { env: DEFAULT_ENV, stdio: options.stdio, cwd: '/', detached: true },
    )
  }
}
