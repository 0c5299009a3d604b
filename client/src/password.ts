import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/**
 * Gets the password: from a file descriptor, else from the terminal without showing it. It is never taken from
 * the command line, where everybody on the machine could read it.
 */
export async function readPassword(user: string, fd: number | undefined): Promise<Secret> {
  if (fd !== undefined) return new Secret(readFileSync(fd, 'utf8').replace(/\r?\n$/, ''))
  if (!process.stdin.isTTY)
    throw new Fault('client.choice', {
      problem: 'there is no terminal to ask for the password on',
      choices: '--password-fd 0',
    })
  return new Secret(await ask(`Password of ${user}: `, true))
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
