import { readFileSync } from 'node:fs'

/** A Unix account. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** Reads one line in the form of /etc/passwd; `undefined` when it is none. */
export function parseAccount(line: string): Account | undefined {
  const [name, , uid, gid, , home, shell] = line.split(':')
  if (name === undefined || name === '' || home === undefined) return undefined
  return { name, uid: Number(uid), gid: Number(gid), home, shell: shell || '/bin/sh' }
}

/** Reads an account from /etc/passwd; `undefined` when there is none of that name. */
export function findAccount(name: string, passwd = '/etc/passwd'): Account | undefined {
  const line = readFileSync(passwd, 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`))
  const account = line === undefined ? undefined : parseAccount(line)
  return account?.name === name ? account : undefined
}
