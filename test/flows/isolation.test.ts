import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { startWorld, type World } from '../fixtures/world.ts'

const SECRET = 'ostler-planted-secret-7f1c'
/** Ten places where machines keep what nobody else may see. */
const PLACES = [
  '/root/.ssh/id_ostler_test',
  '/home/.ostler-test-home',
  '/etc/ostler-test-etc',
  '/etc/ssh/ssh_host_ostler_test_key',
  '/var/lib/ostler-test-lib',
  '/var/log/ostler-test-log',
  '/opt/ostler-test-opt',
  '/srv/ostler-test-srv',
  '/usr/local/ostler-test-local',
  '/tmp/ostler-test-tmp',
]

let world: World
let ann: number
let eve: number

beforeAll(async () => {
  for (const place of PLACES) {
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, SECRET, { mode: 0o600 })
  }
  world = await startWorld()
  ann = await world.addUser('ann')
  eve = await world.addUser('eve')
  for (const [login, id] of [
    ['ann', ann],
    ['eve', eve],
  ] as const) {
    const client = await openRfb(world, login, id)
    await client.greeting
    client.close()
  }
})
afterAll(async () => {
  for (const place of PLACES) rmSync(place, { force: true })
  await world[Symbol.asyncDispose]()
})

describe('an instant desktop', () => {
  test.each(PLACES)('sees nothing of %s', async (place) => {
    expect(readFileSync(place, 'utf8')).toBe(SECRET)
    await expect(world.inside(ann, ['cat', place])).rejects.toThrow(/No such file/)
  })

  test('holds the secret nowhere outside /proc, /sys and /usr', async () => {
    const search = await world.inside(ann, [
      'sh',
      '-c',
      `grep -rsl --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr ${SECRET} / || true`,
    ])
    expect(search).toBe('')
  })

  test('has no password hash, no person of the node and a machine id of its own', async () => {
    const shadow = await world.inside(ann, ['cat', '/etc/shadow'])
    expect(shadow.split('\n').filter((line) => /^[^:]*:\$/.test(line))).toEqual([])
    const people = (await world.inside(ann, ['cat', '/etc/passwd']))
      .split('\n')
      .filter((line) => Number(line.split(':')[2]) >= 1000 && !line.startsWith('nobody'))
    expect(people.map((line) => line.split(':')[0])).toEqual(['ann'])
    const ids = await Promise.all([world.inside(ann, ['cat', '/etc/machine-id']), readNodeId()])
    expect(ids[0]).not.toBe(ids[1])
  })

  test('lets root open a login shell of the user, and lets nobody become root', async () => {
    const become = ['/sbin/runuser', '--login', 'ann', '--command']
    expect(await world.inside(ann, [...become, 'id -un; pwd'])).toBe('ann\n/home/ann\n')
    await expect(world.inside(ann, [...become, '/sbin/runuser --login root'])).rejects.toThrow(
      /may not be used/,
    )
    await expect(world.inside(ann, [...become, 'su root < /dev/null'])).rejects.toThrow(/su: /)
  })

  test('cannot write to /usr or to the agent', async () => {
    for (const path of ['/usr/bin/x', '/opt/ostler-vma/x', '/run/ostler/boot/x'])
      await expect(world.inside(ann, ['touch', path])).rejects.toThrow(/Read-only file system/)
  })

  test('has its limits in a control group of its own', () => {
    const group = join('/sys/fs/cgroup/memory/ostler', `${world.node.settings.prefix}${ann}`, 'payload')
    expect(Number(readFileSync(join(group, 'memory.limit_in_bytes'), 'utf8'))).toBe(1024 * 2 ** 20)
    const hkd = readFileSync(`/proc/${world.node.process('hkd').pid}/cgroup`, 'utf8')
    expect(hkd).not.toContain('ostler/')
  })
})

test('the door and the api run as unprivileged users, each as its own', () => {
  for (const name of ['l7r', 'api'] as const) {
    const status = readFileSync(`/proc/${world.node.process(name).pid}/status`, 'utf8')
    expect(status).toMatch(/^Uid:\s+(?!0\s)\d+/m)
    expect(status).toMatch(/^CapEff:\s+0{16}$/m)
  }
})

describe("another desktop's agent", () => {
  const CALL = ['--silent', '--show-error', '--insecure', '--max-time', '5']

  test('is out of reach of a guest', async () => {
    const { address } = await world.vm('ann')
    const call = world.inside(eve, [
      'curl',
      ...CALL,
      '--max-time',
      '3',
      `https://${address}:3030/vma/x_state`,
    ])
    await expect(call).rejects.toThrow(/timed out|No route to host/i)
  })

  test('gives nothing to a user of the node, nor to root without the right certificate', async () => {
    const { address } = await world.vm('ann')
    for (const uid of ['65534', '0']) {
      const call = run('setpriv', [
        `--reuid=${uid}`,
        '--clear-groups',
        'curl',
        ...CALL,
        `https://${address}:3030/vma/watch`,
      ])
      await expect(call).rejects.toThrow(/certificate required|alert|SSL/i)
    }
  })

  test("refuses the l7r what is hkd's alone", async () => {
    const { address } = await world.vm('ann')
    const folder = join(world.node.settings.folder, 'test-identity')
    const identity = JSON.parse(
      readFileSync(join(world.node.settings.folder, 'run/l7r/identity.json'), 'utf8'),
    ) as Record<'key' | 'certificate', string>
    mkdirSync(folder, { mode: 0o700 })
    for (const name of ['key', 'certificate'] as const)
      writeFileSync(join(folder, name), identity[name], { mode: 0o600 })
    const curl = [
      'curl',
      ...CALL,
      '--key',
      join(folder, 'key'),
      '--cert',
      join(folder, 'certificate'),
      '-X',
      'POST',
      '-d',
      '{}',
    ]
    const state = await run(curl[0] ?? '', [...curl.slice(1), `https://${address}:3030/vma/x_state`])
    expect(JSON.parse(state.stdout)).toMatchObject({
      state: expect.stringMatching(/connected|suspended/) as string,
    })
    const off = await run(curl[0] ?? '', [...curl.slice(1), `https://${address}:3030/vma/poweroff`])
    expect(JSON.parse(off.stdout)).toMatchObject({ fault: 'agent.forbidden' })
    expect((await world.vm('ann')).state).toBe('running')
  })

  test('leaves no ticket behind after its enrolment', () => {
    expect(existsSync(join(world.node.settings.folder, 'run/desktops', String(ann), 'boot/enrol.json'))).toBe(
      false,
    )
  })
})

describe("another desktop's display", () => {
  const socketOf = (id: number): string =>
    join(world.node.settings.folder, 'run/desktops', String(id), 'display/rfb.sock')

  test('cannot be opened by a user of the node', async () => {
    const attempt = run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'ls', socketOf(ann)])
    await expect(attempt).rejects.toThrow(/Permission denied/)
  })

  test('is not reached through a link that a guest puts where her own display was', async () => {
    await world.inside(eve, [
      'sh',
      '-c',
      `cd /run/ostler/display && rm -f rfb.sock && ln -s ${socketOf(ann)} rfb.sock`,
    ])
    const client = await openRfb(world, 'eve', eve)
    await expect(client.greeting).rejects.toThrow(/cannot be reached/)
    client.close()
  })

  test('listens on no TCP port, neither for X nor for NX nor for RFB', async () => {
    const listening = await world.inside(ann, ['ss', '-Hltn'])
    const ports = listening
      .split('\n')
      .filter(Boolean)
      .map((line) => /:(\d+)\s/.exec(line)?.[1])
    expect([...new Set(ports)]).toEqual(['3030'])
  })
})

async function readNodeId(): Promise<string> {
  return await run('cat', ['/etc/machine-id']).then(
    ({ stdout }) => stdout,
    () => '',
  )
}
