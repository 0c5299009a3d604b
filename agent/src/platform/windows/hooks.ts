import { win32 } from 'node:path'
import type { HookPlatform } from '../../hooks/run-hook.ts'
import { hookFileProblem } from './hook-file.ts'
import type { WindowsTools } from './tools.ts'

/**
 * How Windows runs a hook: `.ps1` by Windows PowerShell, `.exe` and `.com` as they are.
 *
 * `.cmd` and `.bat` are refused. cmd.exe reads their arguments once more by rules that no quoting withstands, and a parameter
 * of the client would become a command of the system's.
 */
export function windowsHooks(tools: WindowsTools): HookPlatform {
  return {
    environment: tools.environment,
    problem: (file) => kindProblem(file) ?? hookFileProblem(file, tools),
    command: (file, args) =>
      kindOf(file) === '.ps1'
        ? {
            command: tools.path('powershell'),
            args: [
              ...'-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -File'.split(' '),
              file,
              ...args,
            ],
          }
        : { command: file, args },
  }
}

function kindProblem(file: string): string | undefined {
  const kind = kindOf(file)
  if (kind === '.cmd' || kind === '.bat')
    return 'cmd.exe would take parts of the parameters for commands; write it for PowerShell (.ps1)'
  if (!['.ps1', '.exe', '.com'].includes(kind)) return 'a hook is a .ps1, .exe or .com file'
  return undefined
}

function kindOf(file: string): string {
  return win32.extname(file).toLowerCase()
}
