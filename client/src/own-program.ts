import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where a program of ours lies that we start: beside the bundle that we are, or in the tree as a source. */
export function ownProgram(name: 'folder-server' | 'slave-stream' | 'usb-host'): string {
  const bundled = join(import.meta.dirname, `${name}.cjs`)
  return existsSync(bundled) ? bundled : join(import.meta.dirname, 'bin', `${name}.ts`)
}
