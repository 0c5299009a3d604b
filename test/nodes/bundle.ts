import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BUILT = join(import.meta.dirname, '../../build/agent')
/** The line of the init behind which it knows where it lies. */
const HERE = 'here=${0%/*}\n'

/** Makes the agent's bundle with one more program in it: what writes to each home from the first moment of a desktop. */
export function writingBundle(folder: string): string {
  cpSync(BUILT, folder, { recursive: true })
  const init = readFileSync(join(BUILT, 'ostler-init'), 'utf8')
  if (!init.includes(HERE)) throw new Error('ostler-init begins in another way than this test knows')
  const writing = init.replace(HERE, `${HERE}"$here/home-writer" "$1" &\n`)
  writeFileSync(join(folder, 'ostler-init'), writing, { mode: 0o755 })
  const program = readFileSync(join(import.meta.dirname, 'home-writer.py'), 'utf8')
  writeFileSync(join(folder, 'home-writer'), program, { mode: 0o755 })
  return folder
}
