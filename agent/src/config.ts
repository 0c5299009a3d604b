import { Fault } from '@ostler/contract/fault.ts'
import { ConfigError, flag, integer, loadConfig, path, text, type Config } from '@ostler/kit/config.ts'
import { logOptions } from '@ostler/kit/log/options.ts'
import { existsSync } from 'node:fs'

/** Keys of `vma.conf`: QVD's names (compatibility page 10.2). */
const AGENT_OPTIONS = {
  'path.run': path('run-time state of the session', '/run/ostler/session'),
  'path.log': path('folder of the logs', '/var/log/ostler'),
  ...logOptions({ filename: '${path.log}/vma.log' }),
  'command.nxagent': path('the X agent', '/usr/bin/nxagent'),
  'command.nxproxy': path('seeds a session that a browser opens first', '/usr/bin/nxproxy'),
  'command.xinit': path('starts the X agent and the session', '/usr/bin/xinit'),
  'command.xvfb': path('screen of a seeded session', '/usr/bin/Xvfb'),
  'command.x11vnc': path('shows the session to browsers', '/usr/bin/x11vnc'),
  'command.setpriv': path('changes to the user', '/usr/bin/setpriv'),
  'command.useradd': path('makes accounts', '/usr/sbin/useradd'),
  'command.x-session': path('the program of the session; its end ends the session', '/etc/X11/Xsession'),
  'vma.user.shell': path('login shell of new accounts', '/bin/bash'),
  'vma.user.home.path': path('folder of the homes', '/home'),
  'vma.default.lang': text('LANG of the session', 'C.UTF-8'),
  'vma.slave.enable': flag('folders and ports of the client', false),
  'vma.audio.enable': flag('sound of the client', false),
  'internal.nxagent.display': integer('X display number', 100, 1, 999),
  'internal.nxagent.timeout.initiating': integer('seconds until nxagent listens', 20, 1, 600),
  'internal.nxagent.timeout.suspending': integer('seconds until nxagent has suspended', 20, 1, 600),
  'internal.nxagent.timeout.stopping': integer('seconds until nxagent has ended', 20, 1, 600),
} as const

export type AgentConfig = Config<typeof AGENT_OPTIONS>
export type AgentValues = AgentConfig['values']

/**
 * Reads `/etc/ostler/vma.conf`, else QVD's `/etc/qvd/vma.conf`, else the defaults.
 * @throws Fault `config.invalid` with every problem.
 */
export function loadAgentConfig(files = ['/etc/ostler/vma.conf', '/etc/qvd/vma.conf']): AgentConfig {
  const found = files.find((file) => existsSync(file))
  try {
    const chosen = found === undefined ? [] : [{ path: found, required: true }]
    return loadConfig(AGENT_OPTIONS, chosen, {}, ['log4perl.'])
  } catch (error) {
    if (error instanceof ConfigError)
      throw new Fault('config.invalid', { problems: error.problems.join('\n') }, { cause: error })
    throw error
  }
}
