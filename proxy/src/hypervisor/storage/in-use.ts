import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** What the programs of this machine use: files they have open, and what is mounted in any of their namespaces. */
export interface UsedPaths {
  /** Whether a path, or what is below it, is open or mounted. A name that is mounted from elsewhere counts as well. */
  has(path: string): boolean
}

/** Looks at every process. Those that end meanwhile use nothing. */
export function usedPaths(): UsedPaths {
  const open = new Set<string>()
  const mounts = new Map<string, string>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const space = linkOf(`/proc/${pid}/ns/mnt`)
    if (space !== undefined && !mounts.has(space)) mounts.set(space, textOf(`/proc/${pid}/mountinfo`))
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      const target = linkOf(`/proc/${pid}/fd/${fd}`)
      if (target?.startsWith('/') === true) open.add(target)
    }
  }
  const all = [...mounts.values()]
  return {
    has: (path) => {
      for (const file of open) if (file === path || file.startsWith(`${path}/`)) return true
      const name = new RegExp(`/${basename(path).replace(/[^\w-]/g, '\\$&')}(?=[/ ,:\\n])`)
      return all.some((text) => name.test(text))
    },
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
