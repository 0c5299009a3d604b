/** In UTF-16: at most three bytes each, and a file name has 255. */
const LONGEST = 80

/**
 * A name for a folder, out of its path or name on the client: the last component, as QVD's agent takes it (compatibility
 * page 5.2), so `C:\` becomes `C`
 * and the root of everything `shares`. Nothing that could be an option, hidden or another path is left.
 *
 * @param taken the names of other folders: equal ones are told apart by a number.
 */
export function shareName(wanted: string, taken: ReadonlySet<string>): string {
  const last = /([^/\\]*)$/.exec(wanted.replace(/[:/\\]+$/, ''))?.[1] ?? ''
  const clean = last.replace(/[\p{Cc}\p{Cs}]/gu, '_').replace(/^[.-]/, '_')
  const base = clean.slice(0, LONGEST).toWellFormed() || 'shares'
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`
    if (!taken.has(name)) return name
  }
}
