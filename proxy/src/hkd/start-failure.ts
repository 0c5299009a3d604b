import { Fault } from '@ostler/contract/fault.ts'

/** What PostgreSQL says of data that it cannot use, whatever is tried. */
const DAMAGE =
  /incorrect checksum in control file|control file|checkpoint record|is not a valid data directory|database files are incompatible|could not open directory|could not read file "(?:global|pg_)|database system identifier/i
const FULL = /No space left on device|Disk quota exceeded/i

/**
 * Why a server did not start, out of what it has just written into its log.
 * @param said the lines of this start alone.
 * @param otherwise when they say nothing.
 */
export function startFailure(said: string, folder: string, otherwise: Fault): Fault {
  const [reason] = said
    .split('\n')
    .map((line) => /(?:FATAL|PANIC): +(.*)$/.exec(line)?.[1] ?? /^postgres: (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined)
  if (FULL.test(said)) return new Fault('database.full', { folder }, { cause: otherwise })
  if (reason === undefined) return otherwise
  if (DAMAGE.test(reason)) return new Fault('database.damaged', { folder, reason }, { cause: otherwise })
  return new Fault('database.unavailable', { reason }, { cause: otherwise })
}
