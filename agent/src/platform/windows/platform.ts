import { run } from '@ostler/kit/run.ts'
import type { DesktopSession } from '../../desktop/desktop-session.ts'
import type { Platform } from '../platform.ts'
import { windowsAccounts } from './accounts.ts'
import { windowsBootPort } from './boot-port.ts'
import { windowsHooks } from './hooks.ts'
import { halt } from './power.ts'
import { acceptsConnections } from './rdp-port.ts'
import { WindowsSession, type WindowsSessionParts } from './sessions.ts'
import { WindowsTools } from './tools.ts'

/** What Windows lets people in by. */
export const RDP_PORT = 3389
const PROBE_MS = 2_000

/** A Windows guest, with the session that is its own: there is no X there. */
export interface WindowsPlatform extends Platform {
  session(parts: Omit<WindowsSessionParts, 'tools' | 'acceptsRdp'>): DesktopSession
}

export function windowsPlatform(): WindowsPlatform {
  const tools = new WindowsTools(run, process.env)
  return {
    accounts: windowsAccounts(tools),
    hooks: windowsHooks(tools),
    bootPort: (path) => windowsBootPort(path),
    halt: () => halt(tools),
    session: (parts) =>
      new WindowsSession({ ...parts, tools, acceptsRdp: () => acceptsConnections(RDP_PORT, PROBE_MS) }),
  }
}
