import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export type ServiceName = 'hkd' | 'l7r' | 'api' | 'simulated-yard'

/** What makes one whole node on this machine different from another. */
export interface LocalNodeSettings {
  /** Everything that the node has lies below. */
  readonly folder: string
  readonly port: number
  readonly bridge: string
  /** Third octet of its network 10.3.x.0/24. */
  readonly subnet: number
  readonly prefix: string
  readonly address?: string
  readonly extra?: Readonly<Record<string, string>>
  /** What executes its programs, which are appended: another network, say. */
  readonly starter?: readonly string[]
}

const BUILD = join(import.meta.dirname, '../build')
const USERS = ['ostler', 'ostler-api', 'ostler-postgres']
const READY: Readonly<Record<ServiceName, string>> = {
  hkd: 'node ready',
  l7r: 'door open',
  api: 'api ready',
  'simulated-yard': 'yard ready',
}
const READY_MS = 90_000
/** As their units have it. */
const WITH_SMALL_NURSERY: readonly ServiceName[] = ['api', 'hkd']
const AS_ROOT: readonly ServiceName[] = ['hkd', 'simulated-yard']

/**
 * A whole node in one folder: the real services as their real users, with names of their own so that several can
 * live on a machine. It leaves nothing behind, whatever state it is in: `removeLocalNode` needs only the folder.
 */
export class LocalNode {
  readonly settings: LocalNodeSettings
  readonly config: string
  readonly apiSocket: string
  readonly #processes = new Map<string, ProcessIdentity>()

  private constructor(settings: LocalNodeSettings) {
    this.settings = settings
    this.config = join(settings.folder, 'node.conf')
    this.apiSocket = join(settings.folder, 'run/api/api.sock')
  }

  /** Makes folder, system users and configuration. Nothing runs yet. */
  static async make(settings: LocalNodeSettings): Promise<LocalNode> {
    const node = new LocalNode(settings)
    mkdirSync(settings.folder, { recursive: true, mode: 0o755 })
    chmodSync(settings.folder, 0o755)
    await makeUsers(settings.folder)
    installPrograms(settings.folder)
    writeConfig(node.config, settings)
    return node
  }

  /** Starts a service and waits until it is ready. Throws with its last words when it ends instead. */
  async start(name: ServiceName): Promise<void> {
    await this.#launch(name, name, this.config, this.settings.starter)
  }

  /** Runs a command of a service, such as `ostler-hkd invite`. @returns what it prints. */
  async command(name: ServiceName, words: readonly string[], input = ''): Promise<string> {
    const { folder, starter = [] } = this.settings
    const argv = [...starter, join(folder, 'lib/node'), join(folder, `lib/${name}.cjs`)]
    const [program = '', ...args] = [...argv, '--config', this.config, ...words]
    return (await run(program, args, { input, timeoutMs: 60_000 })).stdout.trim()
  }

  /**
   * Starts one more door, which differs from the first in its port, and in what is given.
   * @param instance its name here, `l7r-` and a number.
   * @param starter what executes the door, which is appended to it.
   */
  async startDoor(
    instance: `l7r-${number}`,
    port: number,
    extra: Readonly<Record<string, string>> = {},
    starter: readonly string[] = [],
  ): Promise<void> {
    const config = join(this.settings.folder, `${instance}.conf`)
    writeConfig(config, { ...this.settings, port, extra: { ...this.settings.extra, ...extra } })
    await this.#launch('l7r', instance, config, starter)
  }

  async #launch(
    name: ServiceName,
    instance: string,
    config: string,
    starter: readonly string[] = [],
  ): Promise<void> {
    const { folder } = this.settings
    const outputFile = join(folder, `${instance}.out`)
    const output = openSync(outputFile, 'w', 0o644)
    const flags = WITH_SMALL_NURSERY.includes(name) ? ['--max-semi-space-size=2'] : []
    const program = [join(folder, 'lib/node'), ...flags, join(folder, `lib/${name}.cjs`), '--config', config]
    const user = findAccount(name === 'api' ? 'ostler-api' : 'ostler')
    const drop = [`--reuid=${user?.uid ?? 0}`, `--regid=${user?.gid ?? 0}`, '--clear-groups', '--']
    const argv = [...starter, ...(AS_ROOT.includes(name) ? program : ['setpriv', ...drop, ...program])]
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      detached: true,
      stdio: ['ignore', output, output],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      cwd: '/',
    })
    closeSync(output)
    child.unref()
    const identity = identify(child.pid ?? 0)
    if (identity === undefined) throw new Error(`${argv[0] ?? ''} could not be started`)
    this.#processes.set(instance, identity)
    writeFileSync(pidFile(folder, instance), JSON.stringify(identity))
    for (let waited = 0; waited < READY_MS; waited += 20) {
      const said = readFileSync(outputFile, 'utf8')
      if (said.includes(`"message":"${READY[name]}"`)) return
      if (!isAlive(identity)) throw new Error(lastLine(said))
      await sleep(20)
    }
    throw new Error(`${instance} was not ready after ${READY_MS / 1000} s, see ${outputFile}`)
  }

  async startAll(): Promise<void> {
    if (this.settings.extra?.['vm.hypervisor'] === 'simulated') await this.start('simulated-yard')
    await this.start('hkd')
    await Promise.all([this.start('l7r'), this.start('api')])
  }

  process(name: string): ProcessIdentity {
    const identity = this.#processes.get(name)
    if (identity === undefined) throw new Error(`${name} was never started`)
    return identity
  }

  /** Ends a service at once with all of its processes, as a crash would. */
  async crash(name: string): Promise<void> {
    killProcessGroup(this.process(name))
    while (isAlive(this.process(name))) await sleep(5)
  }

  /** What a service has said so far. */
  output(name: string): string {
    return readFileSync(join(this.settings.folder, `${name}.out`), 'utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeLocalNode(this.settings.folder)
  }
}

/**
 * Stops and removes everything of the node in a folder, also after a crash at any point. The folder must be root's
 * alone, below folders of root's: we run as root by what lies in it.
 */
export async function removeLocalNode(folder: string): Promise<void> {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isDirectory() || stat.uid !== 0 || (stat.mode & 0o022) !== 0)
    throw new Error(
      `${folder} is not a folder that only root can write to. Look at it and remove it by hand.`,
    )
  const more = readdirSync(folder).filter((file) => /^l7r-\d+\.pid$/.test(file))
  for (const name of [...more.map((file) => file.replace('.pid', '')), 'l7r', 'api', 'hkd'])
    await endService(folder, name)
  const config = join(folder, 'node.conf')
  if (existsSync(config))
    await run(join(BUILD, 'node/node'), [join(BUILD, 'node/hkd.cjs'), '--config', config, 'shutdown'], {
      timeoutMs: 60_000,
    })
  await endService(folder, 'simulated-yard') // its machines have been stopped by now
  await eraseLocalNode(folder)
}

/** Removes users and files of a node of which nothing runs any more. */
export async function eraseLocalNode(folder: string): Promise<void> {
  await removeUsers(folder)
  rmSync(folder, { recursive: true, force: true })
}

const END_MS = 12_000

async function endService(folder: string, name: string): Promise<void> {
  const holder = pidFileHolder(pidFile(folder, name))
  if (holder === undefined) return
  signalProcess(holder, 'SIGTERM')
  await comesToHold(() => !isAlive(holder), END_MS, 20)
  killProcessGroup(holder)
}

/** A service leads a group of its own; workers of the door may outlive their first process. */
function killProcessGroup({ pid }: ProcessIdentity): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function pidFile(folder: string, name: string): string {
  return join(folder, `${name}.pid`)
}

/** The services' user may not reach the folder of this tree, so the programs are put beside the node's data. */
function installPrograms(folder: string): void {
  const lib = join(folder, 'lib')
  mkdirSync(lib, { recursive: true, mode: 0o755 })
  for (const name of ['node', 'hkd.cjs', 'l7r.cjs', 'api.cjs', 'fence.cjs', 'simulated-yard.cjs']) {
    rmSync(join(lib, name), { force: true })
    try {
      linkSync(join(BUILD, 'node', name), join(lib, name))
    } catch {
      copyFileSync(join(BUILD, 'node', name), join(lib, name))
    }
  }
  cpSync(join(BUILD, 'web'), join(lib, 'web'), { recursive: true })
}

function writeConfig(config: string, settings: LocalNodeSettings): void {
  const { folder, subnet } = settings
  const values: Record<string, string> = {
    nodename: settings.prefix.replace(/-$/, ''),
    'path.run': join(folder, 'run'),
    'path.log': join(folder, 'log'),
    'path.state': join(folder, 'state'),
    'path.agent.bundle': join(BUILD, 'agent'),
    'path.web': join(folder, 'lib/web'),
    'l7r.address': settings.address ?? '127.0.0.1',
    'l7r.port': String(settings.port),
    'vm.network.bridge': settings.bridge,
    'vm.network.gateway': `10.3.${subnet}.1`,
    'vm.network.ip.start': `10.3.${subnet}.10`,
    'internal.vm.name.prefix': settings.prefix,
    ...settings.extra,
  }
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`)
  // Whole or not at all: an empty one would mean the defaults, which are another node's.
  writeWhole(config, lines.join(''), { mode: 0o644 })
  for (const [owned, name] of [
    ['state/l7r', 'ostler'],
    ['state/api', 'ostler-api'],
    ['run/api', 'ostler-api'],
  ] as const) {
    const user = findAccount(name)
    mkdirSync(join(folder, owned), { recursive: true, mode: 0o755 })
    if (user !== undefined) chownSync(join(folder, owned), user.uid, user.gid)
  }
}

async function makeUsers(folder: string): Promise<void> {
  const missing = USERS.filter((name) => findAccount(name) === undefined)
  // Written first: a crash between must not leave a user that nobody removes.
  const before = madeUsers(folder)
  writeFileSync(join(folder, 'made-users'), [...new Set([...before, ...missing])].join('\n'))
  for (const name of missing)
    await run('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      name,
    ])
}

async function removeUsers(folder: string): Promise<void> {
  for (const name of madeUsers(folder))
    if (findAccount(name) !== undefined) await run('userdel', [name]).catch(() => {}) // another node uses it
}

function madeUsers(folder: string): string[] {
  const file = join(folder, 'made-users')
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
