import type { Account } from '@ostler/kit/passwd.ts'
import { readFileSync } from 'node:fs'

/** Later ones win. */
const FILES = ['/etc/environment', '/etc/default/locale', '/etc/locale.conf'] as const

/**
 * The environment of a session: that of a login, and above it what the system's files say (as pam_env reads them).
 *
 * @param language what the client wants; `undefined`: what the files say, else `fallback`.
 */
export function sessionEnvironment(
  account: Account,
  language: string | undefined,
  fallback: string,
  files: readonly string[] = FILES,
): Record<string, string> {
  const system = Object.assign({}, ...files.map(readEnvironmentFile)) as Record<string, string>
  // What the client wants must not be overruled by what the system prefers.
  const wanted = language === undefined ? {} : { LANG: language, LANGUAGE: '', LC_ALL: '' }
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
    LANG: fallback,
    ...system,
    ...wanted,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
    MAIL: `/var/mail/${account.name}`,
    XDG_RUNTIME_DIR: `/run/user/${account.uid}`,
  }
}

/**
 * `KEY=VALUE` lines: an `export` before and quotes around are dropped, `#` begins a comment. A missing file is empty, and a line
 * with a NUL, which a file may have after a power cut, is none: no program could be given it.
 */
export function readEnvironmentFile(path: string): Record<string, string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return {}
  }
  const entries = text.split('\n').flatMap((line): [string, string][] => {
    if (line.includes('\0')) return []
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(?:"([^"]*)"\s*|'([^']*)'\s*|([^#]*))(?:#.*)?$/.exec(line)
    const value = match?.[2] ?? match?.[3] ?? match?.[4]?.trimEnd()
    return match?.[1] === undefined || value === undefined ? [] : [[match[1], value]]
  })
  return Object.fromEntries(entries)
}
