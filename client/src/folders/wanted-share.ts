import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'

/** A folder that the user wants to have in her desktop. */
export interface WantedShare {
  /** Absolute, without links. */
  readonly path: string
  /** What she would like it to be called there. */
  readonly name: string
  readonly readOnly: boolean
}

/**
 * Reads `PATH[=NAME][:ro]`. What exists under the whole text is that folder, whatever is in its name.
 * @throws Fault `folder.unusable`.
 */
export function wantedShare(text: string): WantedShare {
  if (isFolder(text)) return share(text, undefined, false)
  const readOnly = text.endsWith(':ro')
  const place = readOnly ? text.slice(0, -3) : text
  const [, path = place, name] = isFolder(place) ? [] : (/^(.+)=([^=/]+)$/.exec(place) ?? [])
  return share(path, name, readOnly)
}

/**
 * The folders of the configuration that are there; of the others the user is told, for a stick may be somewhere else today.
 * @param said what the command line says already.
 */
export function configuredShares(
  paths: readonly string[],
  said: readonly WantedShare[],
  tell: (line: string) => void,
): WantedShare[] {
  const taken = new Set(said.map(({ path }) => path))
  return paths.flatMap((text) => {
    try {
      const share = wantedShare(text)
      return taken.size === taken.add(share.path).size ? [] : [share]
    } catch (error) {
      tell(`${text} is not shared: ${lastSentence(error).sentence}`)
      return []
    }
  })
}

function share(given: string, name: string | undefined, readOnly: boolean): WantedShare {
  try {
    const path = realpathSync(resolve(given))
    if (!statSync(path).isDirectory()) throw new Error('it is no folder')
    accessSync(path, constants.R_OK | constants.X_OK)
    return { path, name: name ?? (basename(path) || 'Root'), readOnly }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('folder.unusable', { path: given, reason }, { cause })
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
