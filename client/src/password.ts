import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Terminal } from './terminal.ts'

/** Reads a password that a program hands us. It is never taken from the command line, where everybody could read it. */
export function readPassword(fd: number): Secret {
  try {
    return new Secret(readFileSync(fd, 'utf8').replace(/\r?\n$/, ''))
  } catch (cause) {
    const problem = `the file descriptor ${fd} cannot be read`
    throw new Fault('client.choice', { problem, choices: '--password-fd 0' }, { cause })
  }
}

/** Asks for the password without showing it. @throws Fault `client.choice` when nobody can answer. */
export async function askPassword(user: string, { ask: question }: Pick<Terminal, 'ask'>): Promise<Secret> {
  if (question === undefined)
    throw new Fault('client.choice', {
      problem: 'there is no terminal to ask for the password on',
      choices: '--password-fd 0',
    })
  return new Secret(await question(`Password of ${user}: `, true))
}

/** Asks on the terminal; what is typed is not shown when `hidden`. */
export async function ask(question: string, hidden = false): Promise<string> {
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_, __, done) => done() })
  const lines = createInterface({
    input: process.stdin,
    output: hidden ? nowhere : process.stderr,
    terminal: true,
  })
  try {
    return await new Promise((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('close', () =>
        reject(new Fault('client.choice', { problem: 'nothing was answered', choices: 'an answer' })),
      )
    })
  } finally {
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}
