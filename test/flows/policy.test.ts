import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, openRfb, sendRaw, UPGRADE } from '../fixtures/door.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { commandLine, PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

let world: World
let ann: number
let bob: number
let acme: number
const plugins = mkdtempSync(join(tmpdir(), 'ostler-plugins-'))

/** A plugin of the site: one more password, for everybody, and a group. */
const SESAME = `export default ({ settings }) => ({
  authenticate: async ({ password }) =>
    password.reveal() === settings.word ? { kind: 'accept', groups: ['sesame'] } : { kind: 'abstain' },
})
`

beforeAll(async () => {
  chmodSync(plugins, 0o755)
  writeFileSync(join(plugins, 'sesame.mjs'), SESAME, { mode: 0o644 })
  // What this file sends would slow it down.
  world = await startWorld({
    'l7r.auth.limit.pair': '0',
    'l7r.auth.limit.address': '0',
    'path.l7r.auth.plugins': plugins,
  })
  ann = await world.addUser('ann')
  bob = await world.addUser('bob')
  await world.qa('tenant add name=acme')
  await world.qa('user add login=ann password=- tenant=acme')
  await world.qa('vm add name=acme-ann user=ann tenant=acme osf=instant')
  acme = (await world.vm('acme-ann')).id
  await world.qa('user add login=sue password=- role=support')
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(plugins, { recursive: true, force: true })
})

/** The last status line and the text of the answer. */
async function answer(path: string, login?: string, headers: readonly string[] = [], password = PASSWORD) {
  const { text } = await sendRaw(world, get(path, login, headers, password))
  const last = text.slice(text.lastIndexOf('HTTP/1.1 '))
  return `${last.slice(9, 12)} ${last.slice(last.indexOf('\r\n\r\n') + 4).trim()}`
}

async function listed(login: string, kind: 'vm' | 'applications' = 'vm'): Promise<number[]> {
  const said = await answer(`/qvd/list_of_${kind}`, login)
  return (JSON.parse(said.slice(4)) as { id: number }[]).map(({ id }) => id)
}

/** The same wrong credentials get the same answer for some seconds, whatever changes meanwhile. */
const untilIn = (login: string, vmId: number): Promise<void> =>
  until(`${login} to be let in`, async () => {
    const said = await answer('/qvd/list_of_vm', login)
    return said.startsWith('200') && said.includes(`"id": ${vmId},`)
  })

const connect = (vmId: number, login: string): Promise<string> =>
  answer(`/qvd/connect_to_vm?id=${vmId}`, login, UPGRADE)
const FOREIGN = '403 You are not allowed to access requested virtual machine'

async function wishes(name: string): Promise<number> {
  const said = (await world.api.get(`/v1/desktops/${name}/explain`)) as { wishes: unknown[] }
  return said.wishes.length
}

describe('tenants', () => {
  test('the same login in two of them is two people', async () => {
    expect(await listed('ann')).toEqual([ann])
    expect(await listed('ann@default')).toEqual([ann])
    expect(await listed('ann@acme')).toEqual([acme])
    expect(await connect(acme, 'ann')).toBe(FOREIGN)
    expect(await connect(ann, 'ann@acme')).toBe(FOREIGN)
    expect(await wishes('acme-ann')).toBe(0)
  })

  test('nobody of a blocked one comes in', async () => {
    await world.qa('tenant block -f name=acme')
    expect(await answer('/qvd/list_of_vm', 'ann@acme')).toMatch(/^401/)
    expect(await listed('ann')).toEqual([ann])
    await world.qa('tenant unblock -f name=acme')
    await untilIn('ann@acme', acme)
  })
})

describe('what is blocked', () => {
  test('a user does not come in until she is unblocked', async () => {
    await world.qa('user block -f login=ann')
    expect(await answer('/qvd/list_of_vm', 'ann')).toMatch(/^401/)
    expect(await listed('ann@acme')).toEqual([acme])
    await world.qa('user unblock -f login=ann')
    await untilIn('ann', ann)
  })

  test('a node takes nobody, and says so to those whom it knows', async () => {
    const name = world.node.settings.prefix.replace(/-$/, '')
    await world.qa(`host block -f name=${name}`)
    await until('the door to hear it', async () => (await answer('/qvd/ping')).startsWith('503'))
    expect(await answer('/qvd/list_of_vm', 'ann')).toBe('503 Server is blocked')
    expect(await answer('/qvd/list_of_vm', 'ann', [], 'wrong')).toMatch(/^401/)
    await world.qa(`host unblock -f name=${name}`)
    await until('the door to hear it', async () => (await answer('/qvd/ping')).startsWith('200'))
  })

  test('a desktop is listed and not opened', async () => {
    await world.qa('vm block -f name=ann')
    expect(await listed('ann')).toEqual([ann])
    expect(await connect(ann, 'ann')).toBe('403 The requested virtual machine is offline for maintenance')
    expect(await connect(ann, 'bob')).toBe(FOREIGN)
    expect(await wishes('ann')).toBe(0)
    await world.qa('vm unblock -f name=ann')
  })
})

describe('rules', () => {
  test('close a desktop from where she is: it is neither listed, opened nor stopped, and nothing is written', async () => {
    await world.qa('policy add name=not-here user=bob tenant=default from=127.0.0.0/8,::1 use=no')
    await until('the door to hear it', async () => (await listed('bob')).length === 0)
    expect(await connect(bob, 'bob')).toBe('403 the rule not-here does not allow you this desktop')
    expect(await answer(`/qvd/stop_vm?id=${bob}`, 'bob')).toMatch(/^403 the rule not-here/)
    expect(await wishes('bob')).toBe(0)
    expect(await listed('ann')).toEqual([ann])
    // Who may not know of the desktop does not hear of the rule.
    expect(await connect(bob, 'ann')).toBe(FOREIGN)

    await world.qa('policy add name=office position=1 user=bob from=127.0.0.1 use=yes')
    await until('the door to hear it', async () => (await listed('bob')).includes(bob))
    await world.qa('policy del -f name=office')
    await world.qa('policy del -f name=not-here')
    await until('the door to hear it', async () => (await listed('bob')).includes(bob))
  })

  test('allow one display and not the other', async () => {
    await world.qa('policy add name=natives-only osf=instant displays=nx')
    await until('the door to hear it', async () => {
      const refused = await openRfb(world, 'bob', bob)
      return (
        (await refused.closed).reason === 'the rule natives-only does not allow you this desktop in a browser'
      )
    })
    expect(await wishes('bob')).toBe(0)
    await world.qa('policy del -f name=natives-only')
  })

  test('narrow what goes through a session', async () => {
    await world.qa(
      'policy add name=one-way osf=instant clipboard=in ports=off printing=no audio=no folders=off',
    )
    await until('the door to hear it', async () => {
      const client = await openRfb(world, 'bob', bob)
      expect(await client.greeting).toMatch(/^RFB 003/)
      const viewer = commandLine(world.processOf(bob, 'x11vnc'))
      client.close()
      await client.closed
      return viewer.includes('-seldir recv')
    })
    const options = await world.inside(bob, [
      'sh',
      '-c',
      'cat /run/ostler/session/*.conf /run/ostler/session/*',
    ])
    expect(options).toContain('clipboard=client')
    expect(options).not.toContain('media=1')
    const record = await world.inside(bob, ['cat', '/run/ostler/session/session.json'])
    const { pairs } = JSON.parse(record) as { pairs: [string, string][] }
    expect(Object.fromEntries(pairs)).toMatchObject({
      'qvd.ostler.policy.clipboard': 'in',
      'qvd.ostler.policy.folders': 'off',
      'qvd.ostler.policy.ports': '0',
      'qvd.ostler.policy.printing': '0',
      'qvd.ostler.policy.audio': '0',
      'qvd.ostler.policy.usb': '1',
    })
    await world.qa('policy del -f name=one-way')
  })
})

describe('support', () => {
  test('stops a desktop of her tenant, and opens none but her own', async () => {
    await world.qa('vm start -f name=ann')
    await world.untilVm('ann', 'running')
    expect(await connect(ann, 'sue')).toBe(FOREIGN)
    expect(await answer(`/qvd/stop_vm?id=${ann}`, 'bob')).toBe(FOREIGN)
    expect(await answer(`/qvd/stop_vm?id=${acme}`, 'sue')).toBe(FOREIGN)
    const { text } = await sendRaw(world, get(`/qvd/stop_vm?id=${ann}`, 'sue'), 20_000)
    expect(text).toContain('Machine stopped')
    expect((await world.vm('ann')).state).toBe('stopped')
  })
})

describe('the configuration, while the door runs', () => {
  const signsIn = async (password: string): Promise<boolean> =>
    (await answer('/qvd/list_of_vm', 'ann', [], password)).startsWith('200')

  test('a plugin of the site comes and goes', async () => {
    expect(await signsIn('sesame')).toBe(false)
    await world.qa('config set l7r.auth.plugins=sesame l7r.auth.plugin.sesame.word=sesame')
    await until('the plugin to count', () => signsIn('sesame'))
    expect(await signsIn(PASSWORD)).toBe(true)
    expect(await world.qa('config get l7r.auth.plugins')).toBe('l7r.auth.plugins=sesame')

    await world.qa('policy add name=no-sesame group=sesame use=no')
    await until('the rule to count', async () =>
      (await answer('/qvd/list_of_vm', 'ann', [], 'sesame')).startsWith('200 []'),
    )
    expect(await listed('ann')).toEqual([ann])
    await world.qa('policy del -f name=no-sesame')

    await world.qa('config del l7r.auth.plugins')
    await until('the plugin to be gone', async () => !(await signsIn('sesame')))
    expect(await signsIn(PASSWORD)).toBe(true)
  })

  test('what would keep everybody out is refused, with the reason', async () => {
    await expect(world.qa('config set l7r.auth.plugins.tail=nobody')).rejects.toThrow(/no plugin nobody/)
    await expect(world.qa('config set l7r.auth.timeout=soon')).rejects.toThrow(/is not a whole number/)
    expect(await signsIn(PASSWORD)).toBe(true)
  })
})

test('C-118: `qa config set` takes effect without HKD restart', async () => {
  await using database = new NodeDatabase(world)
  const places = async (): Promise<number> => (await database.host()).starting_max
  const [hkd, before] = [world.node.process('hkd').pid, await places()]
  expect(await world.qa('config set hkd.vm.starting.max=3')).toBe('1 config entries set.')
  await until('hkd to take it', async () => (await places()) === 3)
  expect(await world.qa('config get --origin hkd.vm.starting.max')).toBe('hkd.vm.starting.max=3\tdatabase')
  await world.qa('config del hkd.vm.starting.max')
  await until('hkd to take it back', async () => (await places()) === before)
  expect(world.node.process('hkd').pid).toBe(hkd)
  expect(await world.qa('config set vm.network.domain=example.org')).toBe(
    '1 config entries set.\nvm.network.domain counts once ostler-hkd starts again',
  )
  await world.qa('config del vm.network.domain')
})

test('properties are set and shown, secrets masked', async () => {
  // Another tenant has an ann as well.
  const ann = '-f login=ann,tenant=default'
  await world.qa(`user propset ${ann} custom.floor=3 l7r.auth.plugin.totp.secret32=-`)
  expect(await world.qa(`user propget ${ann}`)).toBe(
    'ann\tcustom.floor=3\nann\tl7r.auth.plugin.totp.secret32=***',
  )
  expect(await world.qa('user propget -f login=ann,tenant=acme')).toBe('')
  expect(await world.qa(`user propdel ${ann} custom.floor l7r.auth.plugin.totp.secret32`)).toBe(
    'propdel in 1 users.',
  )
})

test('a new password counts, and the old one does not', async () => {
  await world.qa('user add login=pat password=old')
  expect(await answer('/qvd/list_of_vm', 'pat', [], 'old')).toMatch(/^200/)
  await world.qa('user passwd user=pat')
  expect(await answer('/qvd/list_of_vm', 'pat')).toBe('200 []')
  expect(await answer('/qvd/list_of_vm', 'pat', [], 'old')).toMatch(/^401/)
})

test('desktops of an application flavour are in a list of their own', async () => {
  await world.qa('osf add name=editor application=1')
  await world.qa('vm add name=ann-editor user=ann osf=editor')
  expect(await listed('ann', 'applications')).toEqual([(await world.vm('ann-editor')).id])
  expect(await listed('ann')).toEqual([ann])
})
