import { Fault } from '@ostler/contract/fault.ts'
import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The folder of the sockets by which the user's other programs talk to her open desktops: hers alone, so whoever can
 * connect is she.
 * @throws Fault `client.noConnection` when somebody else could get in.
 */
export function controlFolder(): string {
  const uid = process.getuid?.() ?? 0
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? ''
  const folder = runtime === '' ? join(tmpdir(), `ostler-${uid}`) : join(runtime, 'ostler')
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new Fault('client.noConnection', { reason: `${folder} cannot be made` }, { cause })
  }
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0)
    throw new Fault('client.noConnection', { reason: `${folder} is not a folder that is yours alone` })
  return folder
}
