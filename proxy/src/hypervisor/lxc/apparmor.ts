import { run } from '@ostler/kit/run.ts'
import { existsSync, readFileSync } from 'node:fs'

const ENABLED = '/sys/module/apparmor/parameters/enabled'
/** What LXC's own package lets and denies every container, on which the profile stands. */
const BASE = '/etc/apparmor.d/abstractions/lxc/container-base'
const PROFILE = 'lxc-ostler'
const LOAD_MS = 60_000

/** LXC's default for containers with a name space of control groups, and FUSE, by which desktops see folders of clients. */
const TEXT = `#include <tunables/global>
profile ${PROFILE} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/lxc/container-base>
  deny mount fstype=devpts,
  mount fstype=cgroup -> /sys/fs/cgroup/**,
  mount fstype=cgroup2 -> /sys/fs/cgroup/**,
  mount fstype=fuse,
  mount fstype=fuse.*,
}
`

/** Whether this kernel confines programs by AppArmor. */
export function hasAppArmor(): boolean {
  return existsSync(ENABLED) && readFileSync(ENABLED, 'utf8').startsWith('Y')
}

/**
 * Loads the profile of containers, or brings it up to date.
 * @returns its name; `undefined` where there is no AppArmor, or what it takes to load a profile is missing: LXC then does what
 *   it does by itself.
 * @throws RunError when the profile is refused.
 */
export async function containerProfile(): Promise<string | undefined> {
  if (!hasAppArmor() || !existsSync(BASE) || !existsSync('/usr/sbin/apparmor_parser')) return undefined
  await run('apparmor_parser', ['--replace'], { input: TEXT, timeoutMs: LOAD_MS })
  return PROFILE
}
