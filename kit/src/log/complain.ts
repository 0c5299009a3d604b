import { writeSync } from 'node:fs'

/** Says something on standard error at once, past every queue: for the last words of a process. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // nobody is listening
  }
}
