import { Fault } from '@ostler/contract/fault.ts'
import { kindOfFile, login as usableLogin, name as usableName } from '@ostler/contract/admin-api.ts'
import type { TakenKind, TakenOver } from '@ostler/contract/take-over.ts'
import { sql } from 'kysely'
import { basename } from 'node:path'
import { freeAddress, networkOf, parseAddress } from '../model/address.ts'
import { homeLimit } from '../model/home.ts'
import type { AddressPool } from './addresses.ts'
import { addGroup, joinGroup } from './groups.ts'
import type { Db } from './open.ts'
import { setProperties } from './properties.ts'
import type { ForeignContents } from './foreign-contents.ts'
import { FIRST_TENANT } from './users.ts'

/** From here on a size was said with K, M or G, of which QVD's `qa` made bytes (compatibility page T55). */
const BYTES_FROM = 16_777_216
const MEGABYTE = 1_048_576

/** What is known here by a number there. */
type Numbers = Map<number, number>

/**
 * Takes over what a QVD or a KVM-VDI has, in the transaction of the caller: all of it, or nothing. What is here already by its name is left as it
 * is, so that it can be done twice.
 * @param addresses where desktops get an address whose own one is taken or outside.
 */
export class TakeOver {
  readonly #tx: Db
  readonly #addresses: AddressPool
  readonly #counts = new Map<TakenKind, { found: number; taken: number; kept: number }>()
  readonly #notes: { kind: TakenKind; name: string; text: string }[] = []
  readonly #tenants: Numbers = new Map()
  readonly #users: Numbers = new Map()
  readonly #flavours: Numbers = new Map()
  /** What flavours are called here, by their numbers there. */
  readonly #flavourNames = new Map<number, string>()
  readonly #images: Numbers = new Map()
  readonly #desktops: Numbers = new Map()

  constructor(tx: Db, addresses: AddressPool) {
    this.#tx = tx
    this.#addresses = addresses
  }

  async take(from: ForeignContents): Promise<void> {
    await this.#takeTenants(from)
    await this.#takeUsers(from)
    await this.#takeGroups(from)
    await this.#takeFlavours(from)
    await this.#takeImages(from)
    await this.#takeDesktops(from)
    await this.#takeProperties(from)
    for (const { name } of from.hosts) {
      this.#count('host', 'found')
      this.note('host', name, 'a node makes itself known when it starts: qa host add for all but the first')
    }
    for (const { name } of from.administrators) {
      this.#count('administrator', 'found')
      this.note('administrator', name, 'administrators have no passwords here: qa administrator add, invite')
    }
  }

  /** What was done, but for the configuration. */
  report(): Pick<TakenOver, 'counts' | 'notes'> {
    return {
      counts: [...this.#counts].map(([kind, count]) => ({ kind, ...count })),
      notes: this.#notes,
    }
  }

  /** The tenant here of a number there; `undefined`: all tenants'. */
  tenantOf(number: number | null): number | undefined {
    return number === null ? undefined : this.#tenants.get(number)
  }

  note(kind: TakenKind, name: string, text: string): void {
    this.#notes.push({ kind, name, text })
  }

  async #takeTenants({ tenants }: ForeignContents): Promise<void> {
    for (const { id, name, blocked } of tenants) {
      this.#count('tenant', 'found')
      if (!this.#isUsable('tenant', name)) continue
      const here = await this.#find(
        sql`SELECT id FROM ostler.tenant WHERE lower(name) = lower(${name}) AND id > 0`,
      )
      this.#tenants.set(
        id,
        here ??
          (await this.#add(
            sql`INSERT INTO ostler.tenant (name, blocked) VALUES (${name}, ${blocked}) RETURNING id`,
          )),
      )
      this.#count('tenant', here === undefined ? 'taken' : 'kept')
    }
  }

  async #takeUsers({ users }: ForeignContents): Promise<void> {
    for (const { id, tenant_id, login, password, blocked } of users) {
      this.#count('user', 'found')
      if (!usableLogin.safeParse(login).success) {
        this.note('user', login, 'left out: no account can be called so')
        continue
      }
      const tenant = tenant_id === null ? FIRST_TENANT : this.#tenants.get(tenant_id)
      if (tenant === undefined) {
        this.note('user', login, `left out: her tenant ${tenant_id} is`)
        continue
      }
      const here = await this.#find(
        sql`SELECT id FROM ostler.users WHERE tenant_id = ${tenant} AND login = ${login}`,
      )
      this.#users.set(
        id,
        here ??
          (await this.#add(sql`INSERT INTO ostler.users (tenant_id, login, password, blocked)
            VALUES (${tenant}, ${login}, ${password ?? ''}, ${blocked}) RETURNING id`)),
      )
      this.#count('user', here === undefined ? 'taken' : 'kept')
    }
  }

  async #takeGroups({ groups }: ForeignContents): Promise<void> {
    for (const { name, members } of groups) {
      this.#count('group', 'found')
      if (!this.#isUsable('group', name)) continue
      const here = await this.#find(
        sql`SELECT id FROM ostler.user_group WHERE tenant_id = ${FIRST_TENANT} AND name = ${name}`,
      )
      if (here === undefined) await addGroup(this.#tx, FIRST_TENANT, name)
      for (const member of members) {
        const user = this.#users.get(member)
        if (user !== undefined) await joinGroup(this.#tx, FIRST_TENANT, name, user)
      }
      this.#count('group', here === undefined ? 'taken' : 'kept')
    }
  }

  async #takeFlavours({ osfs, tenants }: ForeignContents): Promise<void> {
    for (const osf of osfs) {
      this.#count('osf', 'found')
      if (!this.#isUsable('osf', osf.name)) continue
      const tenant = this.tenantOf(osf.tenant_id) ?? null
      if (osf.tenant_id !== null && tenant === null) {
        this.note('osf', osf.name, `left out: its tenant ${osf.tenant_id} is`)
        continue
      }
      const tenantName = tenants.find(({ id }) => id === osf.tenant_id)?.name ?? 'QVD'
      const { name, here } = await this.#place(
        [osf.name, `${osf.name}.${tenantName}`, `${osf.name}.${osf.id}`],
        (each) =>
          sql`SELECT id, tenant_id IS NOT DISTINCT FROM ${tenant}::int AS same FROM ostler.flavour WHERE name = ${each}`,
      )
      this.#flavourNames.set(osf.id, name)
      if (name !== osf.name) this.note('osf', osf.name, `of ${tenantName}: it is called ${name} here`)
      if (!osf.use_overlay) this.note('osf', name, 'had no overlay there; desktops here always write to one')
      const size = Number(osf.user_storage_size ?? 0)
      const megabytes = size >= BYTES_FROM ? Math.round(size / MEGABYTE) : size
      const kind = osf.hypervisor ?? null
      const home = homeLimit(
        kind,
        megabytes === 0 ? (kind === 'kvm' ? undefined : 0) : Math.max(16, megabytes),
      )
      this.#flavours.set(
        osf.id,
        here ??
          (await this
            .#add(sql`INSERT INTO ostler.flavour (name, memory_mb, cpu_percent, is_application, home_mb, tenant_id, hypervisor)
            VALUES (${name}, ${Math.max(64, osf.memory)}, 100, ${osf.is_application}, ${home},
              ${tenant}, ${kind}) RETURNING id`)),
      )
      this.#count('osf', here === undefined ? 'taken' : 'kept')
    }
  }

  async #takeImages({ dis, di_tags }: ForeignContents): Promise<void> {
    for (const { id, osf_id, path, version, blocked } of dis) {
      this.#count('di', 'found')
      const flavour = this.#flavours.get(osf_id)
      const name = `${this.#flavourNames.get(osf_id) ?? osf_id}-${version}`
      const file = basename(path)
      const kind = kindOfFile(file)
      if (flavour === undefined || kind === undefined || !/^\w[\w.+-]*$/.test(file)) {
        this.note(
          'di',
          name,
          flavour === undefined
            ? 'left out: its OSF is'
            : `left out: nothing is known of a file like ${file}`,
        )
        continue
      }
      if (!this.#isUsable('di', name)) continue
      const here = await this.#find(
        sql`SELECT id FROM ostler.disk_image WHERE flavour_id = ${flavour} AND version = ${version}`,
      )
      if (here !== undefined) {
        this.#images.set(id, here)
        this.#count('di', 'kept')
        continue
      }
      if ((await this.#find(sql`SELECT id FROM ostler.disk_image WHERE name = ${name}`)) !== undefined) {
        this.note('di', name, 'left out: another image here is called so')
        continue
      }
      const image = await this
        .#add(sql`INSERT INTO ostler.disk_image (flavour_id, name, kind, path, version, blocked)
        VALUES (${flavour}, ${name}, ${kind}, ${file}, ${version}, ${blocked}) RETURNING id`)
      this.#images.set(id, image)
      this.#count('di', 'taken')
      this.note('di', name, `put ${file} of QVD's images into the staging folder`)
      const tags = di_tags.filter((each) => each.di_id === id).map(({ tag, fixed }) => ({ tag, fixed }))
      if (!tags.some(({ tag }) => tag === version)) tags.push({ tag: version, fixed: true })
      for (const { tag, fixed } of tags)
        if (this.#isUsable('di', tag))
          await sql`INSERT INTO ostler.image_tag (flavour_id, tag, disk_image_id, fixed)
            VALUES (${flavour}, ${tag}, ${image}, ${fixed}) ON CONFLICT DO NOTHING`.execute(this.#tx)
    }
    if ((this.#counts.get('di')?.taken ?? 0) > 0)
      await sql`SELECT pg_notify('ostler_storage', '')`.execute(this.#tx)
  }

  async #takeDesktops({ vms, users }: ForeignContents): Promise<void> {
    const { start, subnet } = this.#addresses
    await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.address'))`.execute(this.#tx)
    const { rows } = await sql<{ address: string }>`SELECT address FROM ostler.vm`.execute(this.#tx)
    const taken = new Set(rows.map(({ address }) => address))
    const isOurs = (ip: string): boolean => {
      const number = parseAddress(ip)
      return number >= parseAddress(start) && number < networkOf(subnet).last && ip !== subnet.gateway
    }
    // Those that keep theirs come first, so that nobody is given an address that somebody brings.
    const kept = new Set<string>()
    for (const { ip } of vms) if (ip !== null && isOurs(ip)) kept.add(ip)
    for (const vm of vms) {
      this.#count('vm', 'found')
      const [user, flavour] = [this.#users.get(vm.user_id), this.#flavours.get(vm.osf_id)]
      if (user === undefined || flavour === undefined) {
        this.note('vm', vm.name, `left out: its ${user === undefined ? 'user' : 'OSF'} is`)
        continue
      }
      const login = users.find(({ id }) => id === vm.user_id)?.login ?? ''
      const { name, here } = await this.#place(
        [vm.name, `${vm.name}.${login}`, `${vm.name}.${vm.id}`],
        (each) => sql`SELECT id, user_id = ${user} AS same FROM ostler.vm WHERE name = ${each}`,
      )
      if (here !== undefined) {
        this.#desktops.set(vm.id, here)
        this.#count('vm', 'kept')
        continue
      }
      if (!this.#isUsable('vm', name) || !this.#isUsable('vm', vm.di_tag)) continue
      if (name !== vm.name) this.note('vm', vm.name, `of ${login}: it is called ${name} here`)
      const own = vm.ip !== null && isOurs(vm.ip) && !taken.has(vm.ip) ? vm.ip : undefined
      const address = own ?? freeAddress(start, subnet, new Set([...taken, ...kept]))
      if (address === undefined) {
        this.note('vm', name, 'left out: every address is taken')
        continue
      }
      if (vm.ip !== null && own === undefined)
        this.note('vm', name, `its address ${vm.ip} becomes ${address}`)
      taken.add(address)
      const id = await this.#add(sql`INSERT INTO ostler.vm (name, user_id, flavour_id, address, di_tag)
        VALUES (${name}, ${user}, ${flavour}, ${address}, ${vm.di_tag}) RETURNING id`)
      if (vm.blocked) await sql`UPDATE ostler.vm SET blocked = true WHERE id = ${id}`.execute(this.#tx)
      this.#desktops.set(vm.id, id)
      this.#count('vm', 'taken')
    }
  }

  async #takeProperties({ properties }: ForeignContents): Promise<void> {
    const owners = { user: this.#users, vm: this.#desktops, osf: this.#flavours, di: this.#images }
    for (const { owner, id, key, value } of properties) {
      this.#count('property', 'found')
      const here = owners[owner].get(id)
      const isUsable = /^[\w.:-]{1,128}$/.test(key) && !key.startsWith('qvd.ostler.') && value.length <= 4_096
      if (here === undefined || !isUsable) {
        this.note(
          'property',
          key,
          here === undefined ? `left out: its ${owner} is` : 'left out: no agent takes it',
        )
        continue
      }
      await setProperties(this.#tx, owner, here, { [key]: value })
      this.#count('property', 'taken')
    }
  }

  /**
   * Names are of one tenant or user there, and of all here: the first that nobody has, or that the same one has already.
   * @param look for the row of a name: its `id`, and whether it is the `same`.
   * @throws Fault `object.exists` when all are somebody else's.
   */
  async #place(
    names: readonly [string, ...string[]],
    look: (name: string) => ReturnType<typeof sql>,
  ): Promise<{ name: string; here: number | undefined }> {
    for (const name of names) {
      const { rows } = await look(name).execute(this.#tx)
      const [row] = rows as { id: number; same: boolean }[]
      if (row === undefined || row.same) return { name, here: row?.id }
    }
    throw new Fault('object.exists', { kind: 'what is called', name: names[0] })
  }

  #isUsable(kind: TakenKind, name: string): boolean {
    const isUsable = usableName.safeParse(name).success
    if (!isUsable) this.note(kind, name, 'left out: a name begins with a letter or digit and holds no blanks')
    return isUsable
  }

  #count(kind: TakenKind, what: 'found' | 'taken' | 'kept'): void {
    const count = this.#counts.get(kind) ?? { found: 0, taken: 0, kept: 0 }
    this.#counts.set(kind, { ...count, [what]: count[what] + 1 })
  }

  async #find(query: ReturnType<typeof sql>): Promise<number | undefined> {
    const { rows } = await query.execute(this.#tx)
    return (rows[0] as { id: number } | undefined)?.id
  }

  async #add(query: ReturnType<typeof sql>): Promise<number> {
    const { rows } = await query.execute(this.#tx)
    return (rows[0] as { id: number }).id
  }
}
