import { isSoleUser } from '../../user/sole-user.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

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
    const become = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', ...dropInheritable()]
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

/**
 * The words by which setpriv drops the capabilities that would be inherited: nearly always none. Each is named by its number, for
 * `all` is refused by a setpriv that is older than the kernel's last capability (Ubuntu 20.04 on a node of Debian 12).
 *
 * @param status what the kernel says of this process, as /proc/self/status has it.
 */
export function dropInheritable(status = readFileSync('/proc/self/status', 'latin1')): string[] {
  const set = BigInt(`0x${/^CapInh:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const names = Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => ((set >> BigInt(bit)) & 1n) === 1n)
    .map((bit) => `-cap_${bit}`)
  return names.length === 0 ? [] : [`--inh-caps=${names.join(',')}`]
}
