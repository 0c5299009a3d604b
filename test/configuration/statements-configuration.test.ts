import { silentLog } from '@ostler/kit/log.ts'
import { registerHost, requireKnownHost } from '@ostler/proxy/store/hosts.ts'
import { heavyWork } from '@ostler/proxy/wiring/heavy-work.ts'
import { LiveConfig } from '@ostler/proxy/wiring/live-config.ts'
import { loadNodeConfig, NODE_OPTIONS, nodeConfigSource } from '@ostler/proxy/wiring/node-config.ts'
import { OWN_DEFAULTS } from '@ostler/proxy/wiring/qvd-keys/own-defaults.ts'
import { KEPT_DEFAULTS } from '@ostler/proxy/wiring/qvd-keys/verdict.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** Section 10.2 of the compatibility page: every key with the default that QVD ships. */
const SHIPPED = readFileSync(join(import.meta.dirname, 'qvd-shipped-keys.txt'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const)

const folder = mkdtempSync(join(tmpdir(), 'ostler-configuration-'))
const file = join(folder, 'node.conf')
let database: TestDatabase
let app: ReturnType<typeof adminApi>

beforeAll(async () => {
  database = await openTestDatabase()
  const db = database.as('hkd')
  await db.insertInto('tenant').values({ name: 'acme' }).execute()
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await database[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await database.as('hkd').deleteFrom('config').execute()
  inFile('')
})

/** What the file of the node says from now on. */
function inFile(content: string): void {
  writeFileSync(file, content)
  app = adminApi(database, file)
}

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await app.request(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return await response.json()
}

const set = (values: Record<string, string>, tenant?: string): Promise<unknown> =>
  call('POST', '/v1/configuration', { set: values, ...(tenant === undefined ? {} : { tenant }) })

async function get(key: string, tenant?: string): Promise<unknown> {
  const query = new URLSearchParams({ key, ...(tenant === undefined ? {} : { tenant }) })
  const [entry] = (await call('GET', `/v1/configuration?${query.toString()}`)) as {
    value: string
    origin: string
  }[]
  return entry && [entry.value, entry.origin]
}

/** What a process of the node would use now. */
async function live(): Promise<LiveConfig> {
  return await LiveConfig.open(database.as('l7r'), file, silentLog)
}

describe('C-118: `qa config set` takes effect without HKD restart', () => {
  test('a process that runs uses the new value, and the old one when it is gone', async () => {
    const config = await live()
    expect(config.values['internal.l7r.timeout.vm_start']).toBe(270)
    expect(await set({ 'internal.l7r.timeout.vm_start': '30' })).toMatchObject({ count: 1, restart: {} })
    await config.reload()
    expect(config.values['internal.l7r.timeout.vm_start']).toBe(30)
    await call('DELETE', '/v1/configuration?key=internal.l7r.timeout.vm_start')
    await config.reload()
    expect(config.values['internal.l7r.timeout.vm_start']).toBe(270)
  })

  test('how many images are worked on at once', async () => {
    const config = await live()
    const gate = heavyWork(config)
    let running = 0
    const work = (): Promise<void> => {
      running += 1
      return new Promise(() => {})
    }
    for (const _ of [1, 2, 3, 4]) void gate.pass(work, () => new Error('full'))
    expect(running).toBe(2)
    expect(await set({ 'internal.hkd.max_heavy': '3' })).toMatchObject({ count: 1, restart: {} })
    await config.reload()
    await expect.poll(() => running).toBe(3)
  })

  test('a key that a process reads when it starts is said to need that, and then counts', async () => {
    expect(await set({ 'vm.network.domain': 'example.org', 'l7r.stream.idle': '5' })).toMatchObject({
      restart: { 'vm.network.domain': ['hkd'] },
    })
    expect((await live()).values['vm.network.domain']).toBe('example.org')
  })

  test('what a node runs as root, and where it writes, is never the database’s to say', async () => {
    expect(await set({ 'command.kvm': '/tmp/mine' })).toMatchObject({ fault: 'request.invalid' })
    const row = { tenant_id: -1, key: 'command.kvm', value: '/tmp/mine' }
    await database.as('hkd').insertInto('config').values(row).execute()
    expect((await live()).values['command.kvm']).toBe('qemu-system-x86_64')
    expect(await get('command.kvm')).toEqual(['qemu-system-x86_64', 'default'])
    expect(await call('GET', '/v1/configuration/findings')).toMatchObject([
      { kind: 'misplaced', keys: ['command.kvm (database)'] },
    ])
  })

  test('a value that cannot be keeps nothing from starting, and the others count', async () => {
    const rows = [
      { tenant_id: -1, key: 'l7r.stream.idle', value: 'soon' },
      { tenant_id: -1, key: 'l7r.stream.max', value: '9' },
    ]
    await database.as('hkd').insertInto('config').values(rows).execute()
    const { values } = await live()
    expect([values['l7r.stream.idle'], values['l7r.stream.max']]).toEqual([0, 9])
  })
})

describe('C-120: `${path.run}/x` resolves through overrides', () => {
  test('in whichever place it stands', async () => {
    const source = nodeConfigSource(file)
    expect(source.over({ 'path.run': '/elsewhere', 'site.x': '${path.run}/x' }).find('site.x')?.value).toBe(
      '/elsewhere/x',
    )
    expect(loadNodeConfig(file, { 'path.run': '/elsewhere' }).values['path.run.lxc']).toBe('/elsewhere/lxc')
    inFile('site.name = file\nl7r.auth.plugin.default.tenant = of-${site.name}\n')
    const row = { tenant_id: -1, key: 'site.name', value: 'database' }
    await database.as('hkd').insertInto('config').values(row).execute()
    expect(await get('l7r.auth.plugin.default.tenant')).toEqual(['of-database', `${file}:2`])
  })

  test('comments and continuations parse, and so do all three separators', async () => {
    inFile('# a comment\n! another\nnodename : one,\\\n   two\nlog.level DEBUG\nl7r.port=443\n')
    const { values } = loadNodeConfig(file)
    expect([values['nodename'], values['log.level'], values['l7r.port']]).toEqual(['one,two', 'DEBUG', 443])
  })

  test('`@#` survives as separator default', () => {
    expect(loadNodeConfig(file).values['l7r.auth.plugin.default.separators']).toBe('@#')
  })
})

describe('C-121: every key of section 10.2 has the listed default; unknown keys are kept and readable', () => {
  test('there are all of them', () => expect(SHIPPED).toHaveLength(457))

  test('each has a verdict, and its default or a reason why ours is another', () => {
    const source = nodeConfigSource(file)
    expect(SHIPPED.filter(([key]) => source.verdict(key).kind === 'unknown')).toEqual([])
    const own: Readonly<Record<string, { readonly default: string | undefined }>> = NODE_OPTIONS
    const defaults: Readonly<Record<string, string>> = {
      ...KEPT_DEFAULTS,
      [TEMPLATE]: '(multi-line template)',
    }
    const differing = SHIPPED.filter(
      ([key, value]) => (own[key] ? own[key].default : defaults[key]) !== value,
    )
    expect(differing.filter(([key]) => OWN_DEFAULTS[key] === undefined)).toEqual([])
    expect(differing.map(([key]) => key).toSorted()).toEqual(Object.keys(OWN_DEFAULTS).toSorted())
  })

  test('a file that sets each of them to its default starts a node', () => {
    inFile(SHIPPED.map(([key, value]) => `${key} = ${value.replaceAll('\\', '\\\\')}\n`).join(''))
    const { values, warnings } = loadNodeConfig(file)
    expect(warnings).toEqual([])
    expect(values['path.storage.overlayfs']).toBe('/var/lib/qvd/storage/overlayfs')
    expect(values['path.l7r.ssl.key']).toBe('/var/run/qvd/l7r/ssl/key.pem')
    expect(values['l7r.as_user']).toBe('ostler')
    expect(values['database.host']).toBe('localhost')
  })

  test('an unknown key is readable with its place, and may be referred to', async () => {
    inFile(
      'site.rack = 7\nl7r.auth.plugin.default.tenant = rack${site.rack}\nl7r.prot = 1\nvm.kvm.cpus = 3\n',
    )
    expect(await get('site.rack')).toEqual(['7', `${file}:1`])
    expect(await get('l7r.auth.plugin.default.tenant')).toEqual(['rack7', `${file}:2`])
    expect(loadNodeConfig(file).warnings).toEqual([
      expect.stringMatching(/:1: unknown key "site.rack"$/),
      expect.stringMatching(/:3: unknown key "l7r.prot", did you mean "l7r.port"\?$/),
    ])
    expect(await get('vm.kvm.cpus')).toEqual(['3', `${file}:4`])
    expect(await get('vm.kvm.ballooning')).toEqual(['0', 'default'])
    expect(await call('GET', '/v1/configuration/findings')).toEqual([
      expect.objectContaining({ kind: 'reported', keys: [`vm.kvm.cpus (${file}:4)`] }),
      expect.objectContaining({ kind: 'unknown', keys: [`site.rack (${file}:1)`] }),
      expect.objectContaining({ kind: 'unknown', keys: [`l7r.prot (${file}:3)`] }),
    ])
  })
})

/** The list names it without its text. */
const TEMPLATE = 'internal.vm.kubernetes.pod.template'

describe('C-122: tenant value beats global value beats file beats default', () => {
  const key = 'l7r.auth.timeout'

  test('as the administrator reads it, with its origin', async () => {
    expect(await get(key, 'acme')).toEqual(['30', 'default'])
    inFile(`${key} = 40\n`)
    expect(await get(key, 'acme')).toEqual(['40', `${file}:1`])
    await set({ [key]: '50' })
    expect(await get(key, 'acme')).toEqual(['50', 'database'])
    await set({ [key]: '60' }, 'acme')
    expect(await get(key, 'acme')).toEqual(['60', 'tenant acme'])
    expect(await get(key)).toEqual(['50', 'database'])
  })

  test('a key that is the same for all tenants is refused for one', async () => {
    expect(await set({ 'l7r.stream.idle': '5' }, 'acme')).toMatchObject({
      text: 'invalid request: l7r.stream.idle is the same for all tenants: set it without tenant=',
    })
  })
})

describe('C-123: `nodename` selects the host row; unknown nodename stops the daemon', () => {
  test('the first node makes itself known, another one must be made known before', async () => {
    const db = database.as('hkd')
    await requireKnownHost(db, 'one')
    const id = await registerHost(db, 'one', 1_000, 6)
    await requireKnownHost(db, 'one')
    await expect(requireKnownHost(db, 'tow')).rejects.toThrow(/knows no node tow: it knows one/)
    expect(await call('POST', '/v1/hosts', { name: 'tow' })).toEqual({ id: id + 1 })
    await requireKnownHost(db, 'tow')
    expect(await registerHost(db, 'tow', 1_000, 6)).toBe(id + 1)
  })
})
