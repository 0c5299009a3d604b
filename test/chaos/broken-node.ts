import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive } from '@ostler/kit/process-table.ts'
import { run } from '@ostler/kit/run.ts'
import { ROLES } from '@ostler/proxy/store/bootstrap.ts'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LocalNode, type ServiceName } from '../../scripts/local-node.ts'
import { freePort, freeSubnet, World } from '../fixtures/world.ts'
import type { ChaosOptions } from './options.ts'
import { setClocks, unhinge, unhingePostgres } from './sealed.ts'

/** How long whoever restarts services goes on when one does not come up. */
const REVIVE_MS = 60_000
const RUN_MB = 24
const STATE_MB = 768

/** A whole node that is there to be broken, and whoever restarts its services as systemd would. */
export class BrokenNode implements AsyncDisposable {
  readonly world: World
  readonly #options: ChaosOptions
  /** Services that are down because a fault has ended them. */
  readonly #down = new Set<ServiceName>()
  #jumpedSeconds = 0
  #client: Promise<pg.Client> | undefined

  private constructor(world: World, options: ChaosOptions) {
    this.world = world
    this.#options = options
  }

  /**
   * @param extra keys for its `node.conf`.
   * @param scripts what scripted machines do.
   */
  static async open(
    options: ChaosOptions,
    extra: Readonly<Record<string, string>> = {},
    scripts: readonly unknown[] = SCRIPTS,
  ): Promise<BrokenNode> {
    const subnet = freeSubnet()
    const folder = `/var/lib/ostler-chaos-${process.pid}-${subnet}`
    const isSimulated = options.driver === 'simulated'
    if (isSimulated) {
      await mountDisks(folder)
      setClocks(options.speed, 0)
      if (options.speed !== 1) unhingePostgres()
    }
    const rules = join(folder, 'rules.json')
    const node = await LocalNode.make({
      folder,
      port: await freePort(),
      bridge: `otest${subnet}`,
      subnet,
      prefix: `ot${subnet}-`,
      extra: {
        ...extra,
        ...(isSimulated ? { 'vm.hypervisor': 'simulated', 'vm.simulated.rules': rules } : {}),
      },
    })
    if (isSimulated && options.speed !== 1) unhinge(join(folder, 'lib/node'), join(folder, 'lib/real/node'))
    writeFileSync(rules, JSON.stringify({ seed: options.seed, scripts }))
    const broken = new BrokenNode(new World(node), options)
    try {
      await node.startAll()
      await broken.#furnish()
      return broken
    } catch (error) {
      await broken[Symbol.asyncDispose]()
      throw error
    }
  }

  get folder(): string {
    return this.world.node.settings.folder
  }

  get isSimulated(): boolean {
    return this.#options.driver === 'simulated'
  }

  /** Desktops, users and their logins have the same name. */
  name(desktop: number): string {
    return `user${desktop}`
  }

  get services(): readonly ServiceName[] {
    return this.isSimulated ? ['hkd', 'l7r', 'api', 'simulated-yard'] : ['hkd', 'l7r', 'api']
  }

  /** What the services write to. */
  get outputs(): string[] {
    return this.services.map((name) => join(this.folder, `${name}.out`))
  }

  /** Services that have ended although nobody has ended them. */
  fallen(): ServiceName[] {
    return this.services.filter((name) => !this.#down.has(name) && !isAlive(this.world.node.process(name)))
  }

  async kill(name: ServiceName): Promise<void> {
    this.#down.add(name)
    await this.world.node.crash(name)
  }

  /** Starts a service again until it stays up. @throws Error with its last words when it never does. */
  async revive(name: ServiceName): Promise<void> {
    if (!this.#down.has(name)) return
    const end = performance.now() + REVIVE_MS
    for (;;) {
      try {
        await this.world.node.start(name)
        this.#down.delete(name)
        return
      } catch (error) {
        if (performance.now() > end) throw new Error(`${name} does not come up again`, { cause: error })
        await sleep(100)
      }
    }
  }

  /** Sends a signal to a service with all of its processes. */
  signal(name: ServiceName, signal: NodeJS.Signals): void {
    try {
      process.kill(-this.world.node.process(name).pid, signal)
    } catch {
      // It has ended meanwhile.
    }
  }

  /** PostgreSQL's first process, while there is one. */
  postmaster(): number | undefined {
    try {
      return Number(readFileSync(join(this.folder, 'state/postgres/postmaster.pid'), 'utf8').split('\n')[0])
    } catch {
      return undefined
    }
  }

  /** One statement as the superuser. */
  async sql<Row extends object>(statement: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = (this.#client ??= this.#connect())
    try {
      return (await (await client).query<Row>(statement, [...values])).rows
    } catch (error) {
      // Whatever it was, the next one has a connection of its own.
      if (this.#client === client) this.#client = undefined
      client.then((broken) => broken.end()).catch(() => {})
      throw error
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      host: join(this.folder, 'run/postgres'),
      database: 'ostler',
      user: 'postgres',
      connectionTimeoutMillis: 5_000,
      query_timeout: 10_000,
    })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  /** The same until it goes through. */
  async sqlAtLast(statement: string): Promise<void> {
    const goes = (): Promise<boolean> =>
      this.sql(statement).then(
        () => true,
        () => false,
      )
    if (!(await comesToHold(goes, REVIVE_MS, 50))) throw new Error(`the database never took: ${statement}`)
  }

  /** Takes the database away from all services, or gives it back. */
  async setDatabase(isThere: boolean): Promise<void> {
    const roles = [ROLES.hkd, ROLES.l7r, ROLES.api]
    for (const role of roles) await this.sqlAtLast(`ALTER ROLE ${role} ${isThere ? '' : 'NO'}LOGIN`)
    if (isThere) return
    const theirs = `usename IN ('${roles.join("', '")}')`
    await this.sqlAtLast(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${theirs}`)
  }

  /** Lets the clocks of the whole node jump ahead. */
  jump(seconds: number): void {
    this.#jumpedSeconds += seconds
    setClocks(this.#options.speed, this.#jumpedSeconds)
  }

  /** How many agents hkd is in touch with, by its own metrics. */
  async agentsConnected(): Promise<number> {
    const text = await ask(join(this.folder, 'run/hkd.sock'), '/metrics')
    return Number(/^ostler_hkd_agents_connected (\d+)/m.exec(text)?.[1] ?? NaN)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.services) this.signal(name, 'SIGCONT')
    await this.#client?.then((client) => client.end()).catch(() => {})
    if (!this.isSimulated) {
      await this.world[Symbol.asyncDispose]()
      return
    }
    await this.world.scope.close()
    for (const disk of ['run', 'state']) rmSync(join(this.folder, disk, 'filler'), { force: true })
    // What is mounted there cannot be removed, but what lies in it.
    await this.world.node[Symbol.asyncDispose]().catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.includes('busy')) throw error
    })
    for (const disk of ['run', 'state']) await run('umount', ['--lazy', join(this.folder, disk)])
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #furnish(): Promise<void> {
    const { world } = this
    await world.qa('osf add name=plain memory=64')
    await world.qa('di add name=plain osf=plain kind=instant')
    for (let desktop = 0; desktop < this.#options.desktops; desktop++)
      await world.addUser(this.name(desktop), 'plain')
  }
}

/** Times are of the machines' clocks, which run as fast as the node's. */
const SCRIPTS = [
  { share: 12, script: { prepareMs: 100, bootMs: 300, agentMs: 500, haltMs: 800, killMs: 50 } },
  { share: 4, script: { prepareMs: 2_000, bootMs: 2_000, agentMs: 4_000, haltMs: 5_000 } },
  // Machines that give trouble of their own.
  { share: 1, script: { bootMs: 100, agentMs: 500, haltMs: null } },
  { share: 1, script: { bootMs: 100, agentMs: 500, unknownMs: 3_000 } },
  { share: 1, script: { bootMs: 100, agentMs: 500, agent: 'restarts', agentLivesMs: 9_000 } },
  { share: 1, script: { bootMs: 500, bootFails: 'as the script says' } },
]

/** Two disks of its own, small enough to be filled. */
async function mountDisks(folder: string): Promise<void> {
  for (const [disk, mb] of [
    ['run', RUN_MB],
    ['state', STATE_MB],
  ] as const) {
    mkdirSync(join(folder, disk), { recursive: true, mode: 0o755 })
    await run('mount', ['-t', 'tmpfs', '-o', `mode=755,size=${mb}m`, 'chaos', join(folder, disk)])
  }
}

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, timeout: 5_000 }, (response) => {
      response.toArray().then((chunks) => resolve(Buffer.concat(chunks as Buffer[]).toString()), reject)
    })
    asking.once('timeout', () => asking.destroy(new Error('no answer')))
    asking.once('error', reject)
    asking.end()
  })
}
