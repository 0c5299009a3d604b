import { comesToHold } from '@ostler/kit/poll.ts'
import { run, RunError, type RunOptions } from '@ostler/kit/run.ts'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { copyOf } from './system.ts'

const START_MS = 120_000
const COMMAND_MS = 240_000
const ENVIRONMENT = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8']

/**
 * What a kernel without joined hierarchies needs beside what systemd has mounted: it wants `cpu` and `cpuacct` in one place,
 * and gets none of them. Does nothing where they are there.
 */
const MOUNT_GROUPS = `
cd /sys/fs/cgroup
test -e cgroup.controllers -o -e cpu/cgroup.procs && exit 0
mount -o remount,rw /sys/fs/cgroup
rm -f cpu cpuacct
for name in cpu cpuacct; do mkdir "$name"; mount -t cgroup -o "$name" cgroup "$name"; done`

/** What a program said, and how it ended. */
export interface Outcome {
  readonly code: number
  /** Both outputs, standard output first. */
  readonly said: string
}

/** How often one was started by this process: each has a name of its own. */
let machines = 0

/** Its apt asks nothing, has no network, and no other user to fetch as. */
const APT = `APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
APT::Sandbox::User "root";
`

/**
 * A whole system in a container, with systemd as its first process and a network that is loopback alone. Desktops run inside
 * as on any node.
 */
export class Machine implements AsyncDisposable {
  /** Its files, as seen from outside. */
  readonly files: string
  readonly #folder: string
  readonly #name: string

  private constructor(folder: string) {
    this.#folder = folder
    this.#name = `ostler-packages-${process.pid}-${++machines}`
    this.files = join(folder, 'root')
  }

  /** Starts a copy of a system and waits until its systemd has started everything. */
  static async start(system: string): Promise<Machine> {
    const machine = new Machine(mkdtempSync('/var/tmp/ostler-machine-'))
    try {
      await copyOf(system, machine.files)
      writeFileSync(join(machine.files, 'etc/apt/apt.conf.d/99test'), APT)
      await machine.boot()
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts it, also again, and waits until its systemd has started everything. */
  async boot(): Promise<void> {
    await this.begin()
    const settled = async (): Promise<boolean> => {
      const { said } = await this.try(['systemctl', 'is-system-running'])
      return said.includes('running') || said.includes('degraded')
    }
    if (!(await comesToHold(settled, START_MS, 200))) throw new Error('systemd of the machine did not settle')
    await this.run(['sh', '-c', MOUNT_GROUPS])
  }

  /** Starts it, and waits for nothing. */
  async begin(): Promise<void> {
    const folder = join(this.#folder, this.#name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'config'), this.#config())
    await run('lxc-start', [...this.#lxc(), '--daemon', '-l', 'WARN', '-o', join(this.#folder, 'log')], {
      timeoutMs: START_MS,
    })
  }

  /** Ends it as a power cut does: every process at once, nothing written down. */
  async cutPower(): Promise<void> {
    await run('lxc-stop', [...this.#lxc(), '--kill'], { timeoutMs: 60_000 })
  }

  /** Runs a program inside, as root. @throws RunError when it fails. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const environment = ENVIRONMENT.flatMap((line) => ['--set-var', line])
    const words = [...this.#lxc(), '--clear-env', ...environment, '--', ...argv]
    const { stdout } = await run('lxc-attach', words, {
      timeoutMs: COMMAND_MS,
      maxOutput: 2 ** 24,
      ...options,
    })
    return stdout
  }

  /** Runs a program that may fail. */
  async try(argv: readonly string[]): Promise<Outcome> {
    try {
      const said = await this.run(['sh', '-c', '"$@" 2>&1; echo "exit $?"', 'sh', ...argv])
      return { code: Number(/exit (\d+)\s*$/.exec(said)?.[1]), said }
    } catch (error) {
      // Its init is not there yet, or not any more.
      if (!(error instanceof RunError)) throw error
      return { code: error.exitCode ?? -1, said: error.message }
    }
  }

  /** Types a few lines, as root in its home. */
  async type(lines: string): Promise<Outcome> {
    return await this.try(['sh', '-e', '-c', `cd /root; ${lines}`])
  }

  /** Gives a package to dpkg, which may refuse it. */
  async give(file: string): Promise<Outcome> {
    return await this.try(['dpkg', '--install', this.bring(file)])
  }

  /** Puts a file into root's home. @returns where it is inside. */
  bring(file: string): string {
    const place = `/root/${file.split('/').at(-1) ?? ''}`
    copyFileSync(file, join(this.files, place))
    return place
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower().catch(() => {}) // it may not run
    await comesToHold(() => this.#tidyGroups(), 5_000, 50)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #lxc(): string[] {
    return ['-P', this.#folder, '-n', this.#name]
  }

  #config(): string {
    return [
      `lxc.uts.name = node1`,
      `lxc.rootfs.path = dir:${this.files}`,
      'lxc.init.cmd = /sbin/init',
      'lxc.signal.halt = SIGRTMIN+3',
      'lxc.environment = container=lxc',
      'lxc.net.0.type = empty',
      'lxc.net.0.flags = up',
      'lxc.mount.auto = proc:rw sys:rw cgroup:rw',
      // Desktops inside are user namespaces of their own, which the kernel gives what lies open here.
      'lxc.mount.entry = proc dev/.lxc/proc proc create=dir,optional 0 0',
      'lxc.mount.entry = sys dev/.lxc/sys sysfs create=dir,optional 0 0',
      'lxc.autodev = 1',
      'lxc.tty.max = 0',
      'lxc.pty.max = 256',
      'lxc.console.path = none',
      'lxc.cap.drop = sys_module sys_time',
      `lxc.cgroup.dir = ${this.#name}`,
      '',
    ].join('\n')
  }

  /** Groups of a machine that was killed, also those that were made inside; whether none is left. */
  #tidyGroups(): boolean {
    const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)]
    return roots.map((root) => removeTree(join(root, this.#name))).every((gone) => gone)
  }
}

function removeTree(group: string): boolean {
  if (!existsSync(group)) return true
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(group, entry.name))
  try {
    rmdirSync(group)
    return true
  } catch {
    return false
  }
}
