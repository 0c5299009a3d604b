import { Fault } from '@ostler/contract/fault.ts'
import { readFileSync } from 'node:fs'

/** The text of a file that a command names. @throws Fault `client.choice` with its `form` when the file cannot be read. */
export function readText(file: string, form: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault(
      'client.choice',
      { problem: `${file} cannot be read: ${reason}`, choices: form },
      { cause },
    )
  }
}
