import { DEFAULT_ENV, run } from '@ostler/kit/run.ts'
import type { AgentValues } from '../../config/options.ts'
import type { Platform } from '../platform.ts'
import { linuxAccounts } from './accounts.ts'
import { linuxBootPort } from './boot-port.ts'
import { hookFileProblem } from './hook-file.ts'
import { halt } from './power.ts'

/** A Linux guest. */
export function linuxPlatform(config: () => AgentValues): Platform {
  return {
    accounts: linuxAccounts(config, run),
    hooks: {
      environment: { ...DEFAULT_ENV, HOME: '/root' },
      problem: hookFileProblem,
      command: (file, args) => ({ command: file, args }),
    },
    bootPort: linuxBootPort,
    halt,
  }
}
