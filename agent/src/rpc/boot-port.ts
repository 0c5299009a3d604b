import { writeWhole } from '@ostler/kit/write-file.ts'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BootPort } from '../platform/platform.ts'

/** A ticket has some 200 characters. */
const MAX_LINE = 4_096

/**
 * In a virtual machine, takes the node's tickets from the boot port and lays each into the boot folder, where tickets
 * are looked for. Elsewhere there is no such port, and nothing happens.
 *
 * @returns closes the port, and removes a ticket that came by it: it has done its work.
 */
export function followBootPort(port: BootPort, folder: string): Disposable {
  let rest = ''
  let brought = false
  const ticket = join(folder, 'enrol.json')

  const listening = port((bytes) => {
    const lines = (rest + bytes.toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) rest = ''
    const newest = lines.findLast((line) => line !== '')
    if (newest === undefined) return
    // The folder above it is also the way to what users may reach.
    mkdirSync(dirname(folder), { recursive: true, mode: 0o755 })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeWhole(ticket, newest, { mode: 0o600 })
    brought = true
  })
  return {
    [Symbol.dispose]: () => {
      listening[Symbol.dispose]()
      if (brought) rmSync(ticket, { force: true })
    },
  }
}
