import type { Property } from '@ostler/kit/properties.ts'

/** A folder of the desktop that is to be here. */
export interface WantedMount {
  /** Where it lies in the desktop: absolute, or below the user's home there. */
  readonly remote: string
  /** An empty folder of this machine, or one that can be made. */
  readonly local: string
}

/** Folders that every desktop shares with this machine, as the configuration says. */
export interface ConfiguredFolders {
  /** Of this machine, each as `ostler share` takes it. */
  readonly shares: readonly string[]
  readonly mounts: readonly WantedMount[]
}

/** QVD's keys: `client.share.N`, `client.mount.N.remote` and `client.mount.N.local` (compatibility page 5.4). */
export const FOLDER_KEYS = ['client.share.', 'client.mount.']

/**
 * Reads them out of what a configuration has collected, in the order of their numbers.
 * @param home stands for `~`.
 * @param warn told of each key that says nothing.
 */
export function configuredFolders(
  collected: readonly Property[],
  home: string,
  warn: (line: string) => void,
): ConfiguredFolders {
  const shares: [number, string][] = []
  const mounts = new Map<number, { remote?: string; local?: string }>()
  for (const { key, value: text } of collected) {
    const value = text.trim()
    const [, share, mount, side] = /^client\.(?:share\.(\d+)|mount\.(\d+)\.(remote|local))$/.exec(key) ?? []
    if (share !== undefined && value !== '') shares.push([Number(share), value.replace(/^~(?=\/|$)/, home)])
    else if (mount !== undefined && value !== '')
      mounts.set(Number(mount), { ...mounts.get(Number(mount)), [side ?? '']: value })
    else if (FOLDER_KEYS.some((prefix) => key.startsWith(prefix)) && value !== '')
      warn(`${key} is not used: it is none of client.share.N, client.mount.N.remote, client.mount.N.local`)
  }
  const numbered = <T>(pairs: Iterable<readonly [number, T]>): (readonly [number, T])[] =>
    [...pairs].sort(([one], [other]) => one - other)
  return {
    shares: numbered(shares).map(([, path]) => path),
    mounts: numbered(mounts).flatMap(([number, { remote, local }]) => {
      if (remote !== undefined && local !== undefined)
        return [{ remote, local: local.replace(/^~(?=\/|$)/, home) }]
      warn(`client.mount.${number} is not used: it needs both .remote and .local`)
      return []
    }),
  }
}
