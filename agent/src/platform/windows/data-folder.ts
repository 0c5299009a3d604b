import { BOOT_PORT } from '@ostler/contract/virtual-machine.ts'
import { win32 } from 'node:path'

/** What the service, which the installer has told it, tells the agent. */
const TOLD = 'OSTLER_DATA'

/**
 * The folder of the agent's configuration (`vma.conf`), logs (`log`), state (`run`) and boot ticket (`boot`). Its access list is the
 * installer's: the system and administrators alone.
 */
export function dataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment[TOLD] ?? win32.join(environment['ProgramData'] ?? 'C:\\ProgramData', 'Ostler')
}

/** Where the configuration is, and the defaults that differ from those of Linux. */
export function configurationHere(environment: NodeJS.ProcessEnv = process.env): {
  readonly own: string
  readonly defaults: Readonly<Record<'path.run' | 'path.log' | 'path.tmp' | 'internal.vma.boot.port', string>>
} {
  const folder = dataFolder(environment)
  return {
    own: win32.join(folder, 'vma.conf'),
    defaults: {
      'path.run': win32.join(folder, 'run'),
      'path.log': win32.join(folder, 'log'),
      'path.tmp': win32.join(environment['SystemRoot'] ?? 'C:\\Windows', 'Temp'),
      // As every driver's devices are named for who is in no session.
      'internal.vma.boot.port': `\\\\.\\Global\\${BOOT_PORT}`,
    },
  }
}
