import { selfSigned } from '@ostler/kit/certificate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'

const DAYS = 825

/** Makes a self-signed certificate of the door and its key when there is no key. */
export async function requireCertificate(
  paths: { readonly key: string; readonly cert: string },
  log: Log,
): Promise<void> {
  if (existsSync(paths.key)) return
  const made = await selfSigned([hostname(), 'localhost', '127.0.0.1', '::1'], DAYS)
  // The certificate first: a key alone would never get one. The api, another user, shows it to programs of the node.
  writeWhole(paths.cert, made.certificate, { mode: 0o644, folderMode: 0o755 })
  writeWhole(paths.key, made.key, { mode: 0o600, folderMode: 0o755 })
  log.info('self-signed certificate made', { file: paths.cert })
}
