import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '@ostler/qa/commands.ts'
import type { ApiClient } from '@ostler/qa/api-client.ts'
import { get, UPGRADE } from '../fixtures/door.ts'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { makeSitePlugins, type SitePlugins } from '../fixtures/site-plugins.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** What a session is opened with, as the agent gets it. */

/** Says where everybody works, after all else was said. */
const PLACE = `export default () => ({
  authenticate: () => Promise.resolve({ kind: 'abstain' }),
  afterSignIn: () => Promise.resolve({ 'custom.plugin': 'plugin', 'custom.all': 'plugin', 'qvd.slave.key': 'plugin' }),
})`

let room: DoorRoom
let api: ApiClient
let plugins: SitePlugins

beforeAll(async () => {
  plugins = makeSitePlugins({ place: PLACE })
  room = await DoorRoom.open({
    'l7r.auth.plugins.head': 'place',
    'path.l7r.auth.plugins': plugins.folder,
    'l7r.session.auth_token': '1',
  })
  api = await room.openApi()
  await room.addUsers(['ann'], PASSWORD)
  const { id } = await room.db.selectFrom('flavour').select('id').executeTakeFirstOrThrow()
  const images = ['old', 'new'].map(
    (name) => ({ name, version: name, flavour_id: id, kind: 'directory', path: '/' }) as const,
  )
  await room.db.insertInto('disk_image').values(images).execute()
})
afterAll(async () => {
  await room[Symbol.asyncDispose]()
  plugins[Symbol.dispose]()
})

async function qa(command: string): Promise<string> {
  const lines: string[] = []
  const out = { print: (line: string) => lines.push(line), readInput: () => Promise.resolve('') }
  await runCommand(command.split(' '), api, out)
  return lines.join('\n')
}

type Started = { readonly parameters: Readonly<Record<string, string>> }

/** Connects, and gives what the agent was called with and what the client was told. */
async function connect(desktop: { id: number; guest: { starts: unknown[] } }, query = '') {
  const connection = await DoorConnection.open(room)
  const answer = await connection.ask(get(`/qvd/connect_to_vm?id=${desktop.id}${query}`, 'ann', UPGRADE))
  return { connection, answer, ...(desktop.guest.starts.at(-1) as Started) }
}

describe('C-46: x_start gets', () => {
  test('the request, overridden by flavour, image, user, desktop and plugins in this order, and the key of the 101', async () => {
    const desktop = await room.addDesktop('ann', 'order')
    // It was booted from the older image; the newer one is for the next boot.
    const images = await room.db.selectFrom('disk_image').select(['id', 'name']).execute()
    const old = images.find(({ name }) => name === 'old')
    await room.db
      .updateTable('vm')
      .set({ disk_image_id: old?.id ?? null })
      .where('id', '=', desktop.id)
      .execute()
    const owners = ['osf -f name=scripted', 'di -f name=old', 'user -f login=ann', 'vm -f name=order']
    for (const [index, owner] of owners.entries()) {
      const [object = '', ...which] = owner.split(' ')
      const later = Array.from(
        { length: owners.length - index },
        (_, more) => `custom.${index + more}=${object}`,
      )
      const pairs = [...later, `custom.only.${object}=${object}`, `custom.all=${object}`]
      await qa(`${object} propset ${which.join(' ')} ${pairs.join(' ')}`)
    }
    await qa('di propset -f name=new custom.only.di=new')
    const asked = [0, 1, 2, 3, 4].map((number) => `&custom.${number}=request`).join('')
    const { connection, answer, parameters } = await connect(desktop, `${asked}&custom.all=request`)
    connection[Symbol.dispose]()
    expect(parameters).toMatchObject({
      'custom.0': 'osf',
      'custom.1': 'di',
      'custom.2': 'user',
      'custom.3': 'vm',
      'custom.4': 'request',
      'custom.only.osf': 'osf',
      'custom.only.di': 'di',
      'custom.only.user': 'user',
      'custom.only.vm': 'vm',
      'custom.plugin': 'plugin',
      'custom.all': 'plugin',
      'qvd.vm.user.name': 'ann',
      'qvd.slave.key': answer.headers.get('X-QVD-Slave-Key'),
    })
  })

  test('nothing that is for the door', async () => {
    await qa('user propset -f login=ann l7r.auth.plugin.other.secret=hush custom.kept=1')
    const { connection, parameters } = await connect(await room.addDesktop('ann', 'secrets'))
    connection[Symbol.dispose]()
    expect(parameters['custom.kept']).toBe('1')
    expect(JSON.stringify(parameters)).not.toContain('hush')
  })

  test('no more than it can take: a clear refusal, and who sits there is left alone', async () => {
    const desktop = await room.addDesktop('ann', 'full')
    const first = await connect(desktop)
    const many = Array.from({ length: 299 }, (_, index) => `custom.p${index}=1`)
    await qa(`vm propset -f name=full ${many.join(' ')}`)
    const { status, body } = await askDoor(room, get(`/qvd/connect_to_vm?id=${desktop.id}`, 'ann', UPGRADE))
    expect([status, body]).toEqual([
      400,
      expect.stringMatching(/would get 3\d\d parameters; 300 are the most/),
    ])
    first.connection.send('alive')
    expect(await first.connection.bytes((text) => text.includes('alive'))).toBe('alive')
    first.connection[Symbol.dispose]()
  })
})

describe('C-47: x_start also gets', () => {
  test('the address of the node, and a token that is good while somebody sits there', async () => {
    const desktop = await room.addDesktop('ann', 'token')
    const { connection, parameters } = await connect(desktop)
    expect(parameters['host_address']).toBe('127.0.0.1')
    const token = parameters['auth_token'] ?? ''
    expect(token).toMatch(/^[A-Za-z0-9]{43}$/)
    const bearer = [`Authorization: Bearer ${Buffer.from(token).toString('base64')}`]
    const list = async (): Promise<number> =>
      (await askDoor(room, get('/qvd/list_of_vm', undefined, bearer))).status
    expect(await list()).toBe(200)
    expect(await list()).toBe(200)
    expect(room.node.output('l7r')).not.toContain(token)
    connection[Symbol.dispose]()
    await until('it to be revoked', async () => (await list()) === 401)
  })
})

describe('properties', () => {
  test.each([
    ['osf -f name=scripted', 'OSFs'],
    ['di -f name=new', 'DIs'],
    ['vm -f name=edit', 'VMs'],
    ['user -f login=ann', 'users'],
  ])('of %s are set, printed, changed and removed', async (owner, what) => {
    if (owner.includes('edit')) await room.addDesktop('ann', 'edit')
    const [object = '', ...which] = owner.split(' ')
    const at = (verb: string, rest: string): string => `${object} ${verb} ${which.join(' ')} ${rest}`.trim()
    const name = which[1]?.split('=')[1] ?? ''
    await qa(at('propset', 'custom.x=1 custom.y.secret=2'))
    await qa(at('propset', 'custom.x=3'))
    expect(await qa(at('propget', 'custom.x custom.y.secret'))).toBe(
      `${name}\tcustom.x=3\n${name}\tcustom.y.secret=***`,
    )
    expect(await qa(at('propdel', 'custom.x custom.y.secret custom.none'))).toBe(`propdel in 1 ${what}.`)
    expect(await qa(at('propget', 'custom.x'))).toBe('')
  })

  test.each([
    ['vm propset -f name=nobody custom.a=1', 'there is no vm nobody'],
    ['osf propset -f name=nobody custom.a=1', 'there is no osf nobody'],
    ['di propget -f name=nobody', 'there is no di nobody'],
    ['osf propset -f name=scripted cust/om=1', 'is no usable name'],
    ['osf propset -f name=scripted qvd.ostler.policy.usb=1', 'is for Ostler alone'],
    [`osf propset -f name=scripted custom.${'x'.repeat(128)}=1`, 'is no usable name'],
    [`osf propset -f name=scripted custom.a=${'x'.repeat(4097)}`, '4096'],
    ['osf propset -f name=scripted custom.a=\u0007', 'has control characters'],
  ])('%s is refused, and nothing is written', async (command, problem) => {
    const before = await room.db.selectFrom('flavour_property').selectAll().orderBy('key').execute()
    await expect(qa(command)).rejects.toThrow(problem)
    expect(await room.db.selectFrom('flavour_property').selectAll().orderBy('key').execute()).toEqual(before)
  })
})
