import type { AgentValues } from '../config/options.ts'
import { linuxPlatform } from './linux/platform.ts'
import type { Platform } from './platform.ts'

/** The platform of the guest that we run in. What only Windows has is loaded only there. */
export async function platformHere(config: () => AgentValues): Promise<Platform> {
  if (process.platform !== 'win32') return linuxPlatform(config)
  const { windowsPlatform } = await import('./windows/platform.ts')
  return windowsPlatform()
}
