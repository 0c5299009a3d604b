import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** As much of what a boot has said on its console as is kept. */
export const CONSOLE_TAIL_BYTES = 65_536

/** Where `agent/init/ostler-init` has the agent's complaints written, in the folder of the displays. */
export const GUEST_CONSOLE_FILE = 'console.log'

/**
 * The end of files that a guest may have written, one after the other: links are not followed, what is no file is left out,
 * and what could move a terminal is taken out. Never throws: what cannot be read was not said.
 *
 * @returns at most `CONSOLE_TAIL_BYTES` characters; empty when there is nothing.
 */
export function consoleTail(paths: readonly string[]): string {
  const said = paths.map(endOf).filter((text) => text !== '')
  return wholeLines(said.join('\n'))
}

/** The last lines of a text, whole ones: what is left of one may be a secret whose name is cut off. */
function wholeLines(text: string): string {
  if (text.length <= CONSOLE_TAIL_BYTES) return text
  const end = text.slice(-CONSOLE_TAIL_BYTES)
  return end.slice(end.indexOf('\n') + 1)
}

function endOf(path: string): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return ''
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return ''
    // One byte more tells whether the first line is whole.
    const bytes = Buffer.alloc(Math.min(stat.size, CONSOLE_TAIL_BYTES + 1))
    const length = readSync(file, bytes, 0, bytes.length, stat.size - bytes.length)
    const from = bytes.length < stat.size ? bytes.indexOf('\n') + 1 : 0
    return plainText(bytes.toString('utf8', from, length)).trimEnd()
  } catch {
    return ''
  } finally {
    closeSync(file)
  }
}

/** A text without what could move a terminal. */
export function plainText(text: string): string {
  return text.replace(/\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[^[])/g, '').replace(/[^\P{C}\n\t]/gu, '')
}
