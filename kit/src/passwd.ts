import { readFileSync } from 'node:fs'

/** A Unix account. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** Reads an account from /etc/passwd; `undefined` when there is none of that name. */
export function findAccount(name: string, passwd = '/etc/passwd'): Account | undefined {
  for (const line of readFileSync(passwd, 'utf8').split('\n')) {
    const [login, , uid, gid, , home, shell] = line.split(':')
    if (login === name && home !== undefined)
      return {
        name,
        uid: Number(uid),
        gid: Number(gid),
        home,
        shell: shell === undefined || shell === '' ? '/bin/sh' : shell,
      }
  }
  return undefined
}
