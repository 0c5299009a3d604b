import { run } from '@ostler/kit/run.ts'
import { existsSync, readFileSync } from 'node:fs'

const ENABLED = '/sys/module/apparmor/parameters/enabled'
const PARSER = '/usr/sbin/apparmor_parser'
/** What LXC's package denies every container: the node's kernel settings, its devices, its security modules. */
const BASE = '/etc/apparmor.d/abstractions/lxc/container-base'
const LOAD_MS = 60_000

const PROFILE = 'lxc-ostler'
/**
 * LXC's default, FUSE included, without the file systems that tell of the node or change it: they would be root's where
 * `vm.lxc.userns` is 0. Under a name of our own it is there whether or not LXC's service has loaded its profiles.
 */
const TEXT = `#include <tunables/global>
profile ${PROFILE} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/lxc/container-base>
  mount fstype=cgroup -> /sys/fs/cgroup/**,
  mount fstype=cgroup2 -> /sys/fs/cgroup/**,
${['devpts', 'securityfs', 'debugfs', 'efivarfs', 'binfmt_misc'].map((kind) => `  deny mount fstype=${kind},`).join('\n')}
}
`

/**
 * Loads the AppArmor profile of containers into the kernel, or brings it up to date.
 * @returns its name; `undefined` where the kernel has no AppArmor, or its parser or LXC's rules are not installed: LXC then
 *   does what it does by itself.
 * @throws RunError when the profile is refused.
 */
export async function containerProfile(): Promise<string | undefined> {
  const isEnabled = existsSync(ENABLED) && readFileSync(ENABLED, 'utf8').startsWith('Y')
  if (!isEnabled || !existsSync(PARSER) || !existsSync(BASE)) return undefined
  await run(PARSER, ['--replace'], { input: TEXT, timeoutMs: LOAD_MS })
  return PROFILE
}
