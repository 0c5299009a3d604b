import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FAKETIME } from '../fixtures/sealed-room.ts'

/** What marks that we are inside. */
const INSIDE = 'OSTLER_CHAOS_SEALED'
const CLOCKS = '/etc/ostler-chaos-clocks'
/** The one for programs with threads. */
const LIBRARY = FAKETIME.replace('libfaketime.', 'libfaketimeMT.')
const POSTGRES = '/usr/lib/postgresql'

/** Own accounts, network, processes and mounts: nothing reaches the machine, and nothing is left when we end. */
const FURNISH = `
mount -t tmpfs -o mode=755 room /mnt
for folder in etc usr var; do
  mkdir -p /mnt/$folder/upper /mnt/$folder/work
  mount -t overlay -o lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work room /$folder
done
mount -t tmpfs -o mode=1777 room /dev/shm
# The devices that it lists must be those of the own network.
mkdir /mnt/groups
mount --rbind /sys/fs/cgroup /mnt/groups
mount -t sysfs room /sys
mount --rbind /mnt/groups /sys/fs/cgroup
ip link set lo up
# The shell stays: whoever is orphaned becomes a child of the first process, which must reap.
"$@"
`

export function isSealed(): boolean {
  return process.env[INSIDE] === '1'
}

/** Runs this program again in a room of its own. @returns its exit code. */
export function runSealed(argv: readonly string[]): Promise<number> {
  const spaces = ['--mount', '--net', '--ipc', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL']
  const child = spawn('/usr/bin/unshare', [...spaces, '/bin/sh', '-euc', FURNISH, 'sealed', ...argv], {
    env: { ...process.env, [INSIDE]: '1' },
    stdio: 'inherit',
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/**
 * Sets the clocks of every unhinged program; those that run see it within moments.
 * @param speed seconds of theirs in one of ours.
 */
export function setClocks(speed: number, aheadSeconds: number): void {
  // Read at any moment: whole or not at all.
  writeFileSync(`${CLOCKS}.new`, `+${aheadSeconds} x${speed}\n`)
  renameSync(`${CLOCKS}.new`, CLOCKS)
}

/**
 * Puts a program under clocks that can be set: a script of its name takes its place and loads a library first. The programs that
 * start it give it an environment of their own, so that is the only way in.
 * @param real where the program itself goes; it must keep its name, by which others know its process.
 */
export function unhinge(program: string, real: string): void {
  mkdirSync(dirname(real), { recursive: true })
  copyFileSync(program, real)
  const settings = `LD_PRELOAD=${LIBRARY} FAKETIME_TIMESTAMP_FILE=${CLOCKS} FAKETIME_CACHE_DURATION=1`
  const script = `#!/bin/bash\nexport ${settings}\nexec -a '${program}' '${real}' "$@"\n`
  writeFileSync(`${program}.new`, script, { mode: 0o755 })
  renameSync(`${program}.new`, program)
}

/** The same for PostgreSQL. */
export function unhingePostgres(): void {
  for (const version of readdirSync(POSTGRES)) {
    const folder = join(POSTGRES, version)
    unhinge(join(folder, 'bin/postgres'), join(folder, 'real/postgres'))
  }
}
