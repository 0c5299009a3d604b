import { chmodSync, chownSync, statSync } from 'node:fs'

const GROUP_MAY = 0o060
const ANYBODY_MAY = 0o006

/**
 * The group by which a user may open a device for reading and writing; `undefined` when anybody may, or when there is
 * no such device. A device that only root may open, as on machines without udev, is given to `group`: what it then
 * can be used for is little (a network device must belong to the user as well).
 */
export function groupOfDevice(path: string, group: number): number | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined || (stat.mode & ANYBODY_MAY) === ANYBODY_MAY) return undefined
  if (stat.gid !== 0 && (stat.mode & GROUP_MAY) === GROUP_MAY) return stat.gid
  if (stat.gid === 0) chownSync(path, 0, group)
  chmodSync(path, (stat.mode & 0o777) | GROUP_MAY)
  return stat.gid === 0 ? group : stat.gid
}
