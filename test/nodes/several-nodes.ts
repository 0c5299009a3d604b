import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { cgroupLayout, observeGroup } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import type { HostClocks } from '@ostler/proxy/model/host-lease.ts'
import { ROLES } from '@ostler/proxy/store/bootstrap.ts'
import { requireAccount } from '@ostler/proxy/wiring/node-parts.ts'
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { eraseLocalNode, LocalNode } from '../../scripts/local-node.ts'
import { startCluster } from '../fixtures/database.ts'
import { World } from '../fixtures/world.ts'
import { writingBundle } from './bundle.ts'
import { Cables } from './cables.ts'
import { setClocks } from './clocks.ts'
import { Member } from './member.ts'

export interface SeveralOptions {
  readonly nodes: number
  readonly desktops: number
  readonly clocks: HostClocks
}

/** A desktop's row and where it is, as the superuser reads it. */
export interface DesktopRow {
  readonly id: number
  readonly name: string
  readonly state: string
  readonly node: string | null
  readonly fault: string | null
  readonly open: number
}

const SETUP = 'set it up'
const ROWS = `SELECT vm.id, vm.name, vm.state, host.name AS node, vm.fault,
    (SELECT count(*)::int FROM ostler.wish WHERE vm_id = vm.id AND closed_at IS NULL
      AND kind IN ('run', 'spare', 'stop', 'expire') AND (expires_at IS NULL OR expires_at > now())) AS open
  FROM ostler.vm LEFT JOIN ostler.host ON host.id = host_id ORDER BY vm.id`

/**
 * Real nodes of one installation on one machine: a network for each, a PostgreSQL between them, homes on storage that all share, and
 * desktops of the driver `process`, in which a program writes to the home. Another machine of the administrator's has the api.
 */
export class SeveralNodes implements AsyncDisposable {
  readonly folder: string
  readonly cables: Cables
  /** The machine with the api, which is no node and never breaks. */
  readonly office: World
  readonly members: readonly Member[]
  readonly #socket: string
  readonly #scope: Scope
  #client: Promise<pg.Client> | undefined
  #frozen: readonly ProcessIdentity[] = []

  private constructor(
    parts: { folder: string; cables: Cables; office: World; members: readonly Member[]; socket: string },
    scope: Scope,
  ) {
    this.folder = parts.folder
    this.cables = parts.cables
    this.office = parts.office
    this.members = parts.members
    this.#socket = parts.socket
    this.#scope = scope
    scope.defer(() => this.#forget())
  }

  /** The first node makes the tables, the others are invited; then all know of each other. */
  static async open({ nodes, desktops, clocks }: SeveralOptions): Promise<SeveralNodes> {
    const cgroups = cgroupLayout()
    if (cgroups === undefined) throw new Error('this needs control groups')
    const scope = new Scope()
    try {
      const mark = freeMark()
      const folder = `/var/lib/ostler-nodes-${mark}`
      mkdirSync(join(folder, 'shared'), { recursive: true, mode: 0o755 })
      scope.defer(() => rmSync(folder, { recursive: true, force: true }))
      const cables = scope.own(await Cables.lay(nodes))
      const socket = await startCluster(scope, {
        prepare: (data) =>
          writeFileSync(join(data, 'pg_hba.conf'), 'local all all trust\nhost all all all scram-sha-256\n'),
        settings: [`listen_addresses=${cables.hubAddress}`, 'max_connections=200'],
        starter: cables.hub,
      })
      await asSuperuser(socket, `CREATE ROLE setup LOGIN CREATEROLE CREATEDB PASSWORD '${SETUP}'`)
      const secret = join(folder, 'secret')
      writeFileSync(secret, SETUP, { mode: 0o600 })
      const database = {
        'database.host': cables.hubAddress,
        'database.user': 'setup',
        'database.password_file': secret,
      }
      const bundle = writingBundle(join(folder, 'bundle'))
      const make = async (name: string, starter: readonly string[], extra: Record<string, string>) => {
        const node = await LocalNode.make({
          folder: join(folder, name),
          ...{ port: 8443, bridge: 'desktops', subnet: 1, prefix: `${name}-`, starter },
          extra: {
            ...{ 'path.agent.bundle': bundle, 'vm.hypervisor': 'process', 'storage.reserve.mb': '0' },
            ...{ 'path.storage.homefs': join(folder, 'shared/homes'), 'storage.homefs.shared': '1' },
            ...{ 'path.storage.overlayfs': join(folder, 'shared/overlays'), ...extra },
          },
        })
        scope.defer(() => eraseLocalNode(node.settings.folder))
        return node
      }
      const members: Member[] = []
      for (let index = 0; index < nodes; index++) {
        const peer = { 'hkd.peer.address': cables.address(index) }
        const name = `on${mark}${String.fromCharCode(97 + index)}`
        const node = await make(name, cables.of(index), index === 0 ? { ...peer, ...database } : peer)
        setClocks(join(node.settings.folder, 'lib/hkd.cjs'), clocks)
        members.push(new Member(index, node, cgroups))
      }
      const [first] = members
      if (first === undefined) throw new Error('there must be a node')
      scope.own(first)
      await first.start()
      const desk = await make(`on${mark}-office`, cables.hub, database)
      await startOffice(desk, first.node)
      const office = new World(desk)
      scope.defer(() => desk.crash('api'))
      for (const member of members.slice(1)) {
        await office.qa(`host add name=${member.name}`)
        const word = await first.node.command('hkd', ['invite', member.name])
        await member.node.command('hkd', ['join'], word.split('\n').at(-1))
        scope.own(member)
        await member.start()
      }
      const several = new SeveralNodes({ folder, cables, office, members, socket }, scope)
      await several.#furnish(desktops)
      return several
    } catch (error) {
      await scope.close()
      throw error
    }
  }

  /** Desktops, users and their logins have the same name. */
  name(desktop: number): string {
    return `user${desktop}`
  }

  get outputs(): string[] {
    return this.members.map(({ node }) => join(node.settings.folder, 'hkd.out'))
  }

  /** Where a desktop's own program writes. */
  witnessFile(name: string): string {
    const homes = join(this.folder, 'shared/homes')
    const own = existsSync(homes)
      ? readdirSync(homes).find((home) => new RegExp(`^${name}-\\d+$`).test(home))
      : ''
    return join(homes, own ?? `${name}-none`, 'witness')
  }

  /** Names of nodes on which processes of a desktop live. */
  runsOn(id: number): string[] {
    const cgroups = cgroupLayout()
    if (cgroups === undefined) return []
    const runs = ({ node }: Member): boolean =>
      observeGroup(cgroups, `${node.settings.prefix}${id}`) === 'present'
    const found = this.members.filter(runs)
    // One may have ended while we looked at the next.
    return (found.length > 1 ? found.filter(runs) : found).map(({ name }) => name)
  }

  async rows(): Promise<DesktopRow[]> {
    return await this.sql<DesktopRow>(ROWS)
  }

  /** States of nodes by name. */
  async hosts(): Promise<Map<string, string>> {
    const rows = await this.sql<{ name: string; state: string }>('SELECT name, state FROM ostler.host')
    return new Map(rows.map(({ name, state }) => [name, state]))
  }

  /** One statement as the superuser, who is on the database's own machine. */
  async sql<Row extends object>(statement: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = (this.#client ??= connect(this.#socket))
    try {
      return (await (await client).query<Row>(statement, [...values])).rows
    } catch (error) {
      if (this.#client === client) this.#client = undefined
      client.then((broken) => broken.end()).catch(() => {})
      throw error
    }
  }

  /** The database is away for all: each of its processes stands still. */
  freezeDatabase(): void {
    const first = Number(readFileSync(join(this.#socket, 'data/postmaster.pid'), 'utf8').split('\n')[0])
    const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').split(' ').filter(Boolean)
    this.#frozen = [first, ...children.map(Number)].flatMap((pid) => identify(pid) ?? [])
    for (const each of this.#frozen) signalProcess(each, 'SIGSTOP')
  }

  thawDatabase(): void {
    for (const each of this.#frozen) signalProcess(each, 'SIGCONT')
    this.#frozen = []
  }

  /** Waits until each node has told all others that it knows of them: before, nobody may declare anybody lost. */
  async acquainted(): Promise<void> {
    const know = async (): Promise<boolean> => {
      const rows = await this.sql<{ standing: string; told: string }>(
        "SELECT standing, told_standing AS told FROM ostler.host WHERE state = 'running'",
      ).catch(() => [])
      return (
        rows.length === this.members.length &&
        rows.every((row) =>
          rows.every((other) => other === row || Number(row.told) >= Number(other.standing)),
        )
      )
    }
    if (!(await comesToHold(know, 60_000, 50))) throw new Error('nodes do not come to know of each other')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }

  async #furnish(desktops: number): Promise<void> {
    const { office } = this
    await office.qa('osf add name=plain memory=256')
    await office.qa('di add name=plain osf=plain kind=instant')
    for (let desktop = 0; desktop < desktops; desktop++) await office.addUser(this.name(desktop), 'plain')
    await this.acquainted()
  }

  async #forget(): Promise<void> {
    this.thawDatabase()
    await this.#client?.then((client) => client.end()).catch(() => {})
  }
}

/** The api's password is what hkd leaves for it, and this machine has no hkd. */
async function startOffice(desk: LocalNode, first: LocalNode): Promise<void> {
  const [from, to] = [first, desk].map(({ settings }) => join(settings.folder, 'run/database'))
  const { uid, gid } = requireAccount('ostler-api')
  mkdirSync(to ?? '', { recursive: true, mode: 0o755 })
  const file = `${ROLES.api}.password`
  copyFileSync(join(from ?? '', file), join(to ?? '', file))
  chownSync(join(to ?? '', file), uid, gid)
  await desk.start('api')
}

async function connect(host: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...{ host, database: 'ostler', user: 'postgres', connectionTimeoutMillis: 3_000, query_timeout: 5_000 },
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function asSuperuser(host: string, statement: string): Promise<void> {
  const client = new pg.Client({ host, database: 'postgres', user: 'postgres' })
  await client.connect()
  await client.query(statement)
  await client.end()
}

/** A number that no folder and no control group of another run has. */
function freeMark(): number {
  const groups = cgroupLayout()?.hierarchies ?? []
  const taken = ['/var/lib', ...groups.map((hierarchy) => join(hierarchy, 'ostler'))]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder))
  for (let mark = 10 + (Date.now() % 9_000); ; mark++)
    if (!taken.some((name) => name.startsWith(`on${mark}`) || name === `ostler-nodes-${mark}`)) return mark
}
