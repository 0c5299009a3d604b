import { Fault } from '@ostler/contract/fault.ts'
import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import { posix } from 'node:path'
import { readSessionPolicy } from '../desktop/session-policy.ts'
import type { Pairs } from '../hooks/run-hook.ts'

/** A folder that a client would share. */
export interface ShareRequest {
  /** What it is to be called; a path stands for its last component. */
  readonly name: string
  /** Where it lies on the client, as the client says. `undefined`: it does not say. */
  readonly path?: string
  /** Character set of its file names; `undefined`: UTF-8, or bytes that are left as they are. */
  readonly charset?: string
  readonly readOnly: boolean
}

/**
 * Says whether a session may have a folder, and whether for reading only.
 * @throws Fault `folder.refused`.
 */
export function allowShare(pairs: Pairs, { path, readOnly }: ShareRequest): { readonly readOnly: boolean } {
  const parameters = new Map(pairs)
  const { folders } = readSessionPolicy(parameters)
  if (folders === 'off') throw new Fault('folder.refused', { reason: 'folders are off in this desktop' })
  const roots = (parameters.get(POLICY_PARAMETERS.roots) ?? '').split(',').filter((root) => root !== '')
  if (roots.length > 0 && !roots.some((root) => isBelow(path, root)))
    throw new Fault('folder.refused', { reason: `only these may be: ${roots.join(', ')}` })
  return { readOnly: readOnly || folders === 'ro' }
}

function isBelow(path: string | undefined, root: string): boolean {
  if (path === undefined || !posix.isAbsolute(path)) return false
  const [inside, outside] = [path, root].map((each) => posix.normalize(`${each}/`)) as [string, string]
  return inside.startsWith(outside)
}
