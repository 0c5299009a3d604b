import { selfSigned } from '@ostler/kit/certificate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'

const DAYS = 825

/** Reads the door's certificate and key; makes a self-signed pair when neither is there. */
export async function doorCertificate(
  paths: { key: string; cert: string },
  log: Log,
): Promise<{ key: string; cert: string }> {
  if (!existsSync(paths.key) && !existsSync(paths.cert)) {
    const made = await selfSigned([hostname(), 'localhost', '127.0.0.1', '::1'], DAYS)
    for (const path of Object.values(paths)) mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(paths.cert, made.certificate, { mode: 0o644 })
    writeFileSync(paths.key, made.key, { mode: 0o600 })
    log.info('self-signed certificate made', { file: paths.cert })
  }
  return { key: readFileSync(paths.key, 'utf8'), cert: readFileSync(paths.cert, 'utf8') }
}
