import { Fault } from '@ostler/contract/fault.ts'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** Asks at the terminal, and does not show what is typed. @throws Fault `client.choice` when nothing is answered. */
export async function askHidden(question: string): Promise<string> {
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_, __, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    return await new Promise((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('close', () =>
        reject(new Fault('client.choice', { problem: 'nothing was answered', choices: 'an answer' })),
      )
    })
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
