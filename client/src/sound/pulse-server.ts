import { existsSync, readFileSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'

const PORT = 4713
const COOKIE_BYTES = 256

/**
 * Where the user's programs would find their sound server, PulseAudio or PipeWire's: the first of `PULSE_SERVER`, else the socket
 * in her run-time folder; `undefined` when there is none.
 */
export function pulsePlace(environment: NodeJS.ProcessEnv): NetConnectOpts | undefined {
  const told =
    (environment['PULSE_SERVER'] ?? '')
      .trim()
      .split(/\s+/)[0]
      ?.replace(/^\{[^}]*\}/, '') ?? ''
  if (told !== '') return readPlace(told)
  const folder =
    environment['PULSE_RUNTIME_PATH'] ??
    (environment['XDG_RUNTIME_DIR'] === undefined ? undefined : join(environment['XDG_RUNTIME_DIR'], 'pulse'))
  const path = folder === undefined ? undefined : join(folder, 'native')
  return path !== undefined && existsSync(path) ? { path } : undefined
}

function readPlace(text: string): NetConnectOpts | undefined {
  if (text.startsWith('/')) return { path: text }
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) }
  const match = /^(?:tcp[46]?:)?(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2] ?? PORT) }
}

/** What her programs show to that server; zeros where it has none: on its socket it sees whose we are. */
export function pulseCookie(environment: NodeJS.ProcessEnv): Buffer {
  const home = environment['HOME'] ?? homedir()
  const config = environment['XDG_CONFIG_HOME'] ?? join(home, '.config')
  const files = [environment['PULSE_COOKIE'], join(config, 'pulse/cookie'), join(home, '.pulse-cookie')]
  for (const file of files) {
    const cookie = file === undefined || !existsSync(file) ? undefined : readFileSync(file)
    if (cookie?.length === COOKIE_BYTES) return cookie
  }
  return Buffer.alloc(COOKIE_BYTES)
}
