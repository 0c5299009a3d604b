import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** `qvd-hooks.log`: what hooks print, one banner before each. */
export interface HookLog {
  /** Writes the banner of a call and gives where its output goes. Never throws: a full disk costs lines, nothing else. */
  begin(file: string, word: string): (chunk: Buffer) => void
}

const MAX_BYTES = 5 << 20

/** @param folder `path.log`; made when missing. The log is kept below 5 MiB, with one older file beside it. */
export function openHookLog(folder: string): HookLog {
  const path = join(folder, 'qvd-hooks.log')
  const append = (text: string | Buffer): void => {
    try {
      appendFileSync(path, text, { mode: 0o640 })
    } catch {
      // the hook matters more than what it says
    }
  }
  return {
    begin: (file, word) => {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o750 })
        if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES) renameSync(path, `${path}.1`)
      } catch {
        // see above
      }
      append(`\n--- ${new Date().toISOString()} opened for ${word}: ${file}\n`)
      return append
    },
  }
}
