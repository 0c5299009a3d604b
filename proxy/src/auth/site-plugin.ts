import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { lstatSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AuthPlugin } from './plugin.ts'

/** What a plugin of a site is given. */
export interface SitePluginContext {
  /** The keys below `l7r.auth.plugin.WORD.`, without that prefix. */
  readonly settings: Readonly<Record<string, string>>
  readonly log: Log
}

/** What the file of a site's plugin exports by default (docs/sign-in.md). */
export type SitePlugin = (context: SitePluginContext) => Omit<AuthPlugin, 'name'>

/**
 * Loads a plugin of a site: the file `WORD.mjs` in a folder, both owned by root and writable for nobody else.
 * @throws Fault `auth.unavailable` when there is none, or when others could have written it.
 */
export async function loadSitePlugin(
  folder: string,
  word: string,
  settings: Readonly<Record<string, string>>,
  log: Log,
): Promise<AuthPlugin> {
  if (!/^\w+$/.test(word)) throw unusable(`"${word}" cannot be a plugin's name`)
  const file = join(folder, `${word}.mjs`)
  for (const path of [dirname(file), file]) {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) throw unusable(`there is no plugin "${word}", and no file ${file}`)
    if (stat.isSymbolicLink() || stat.uid !== 0 || (stat.mode & 0o022) !== 0)
      throw unusable(`${path} must belong to root and be writable for nobody else`)
  }
  // The age keeps a changed file from being answered by the module that was loaded before.
  const url = pathToFileURL(file)
  url.search = `?${lstatSync(file).mtimeMs}`
  const module = (await import(url.href)) as { default?: unknown }
  if (typeof module.default !== 'function') throw unusable(`${file} exports no function by default`)
  const plugin = (module.default as SitePlugin)({ settings, log: log.child({ plugin: word }) })
  return { ...plugin, name: word }
}

function unusable(problem: string): Fault {
  return new Fault('auth.unavailable', { reason: problem })
}
