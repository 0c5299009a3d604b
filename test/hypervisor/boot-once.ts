import { readFileSync } from 'node:fs'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { processHypervisor, type ProcessSettings } from '../../proxy/src/hypervisor/process/process.ts'

/** Boots one desktop, in a process that can be killed while it does. */
const { settings, spec } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as {
  settings: ProcessSettings
  spec: DesktopSpec
}
await processHypervisor(settings).boot(spec)
