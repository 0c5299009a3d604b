import { Scope } from '@ostler/kit/scope.ts'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Guest, type GuestSettings, hookSettings, recorder, startGuest } from '../fixtures/guest.ts'
import { type LoopDrive, openLoopDrive } from '../fixtures/loop-drive.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const ANN = { 'qvd.vm.user.name': 'ann' }

let screen: XScreen
let guest: Guest

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => await screen[Symbol.asyncDispose]())

function inGuest(settings: GuestSettings): void {
  beforeAll(async () => {
    guest = await startGuest({ plain: true, ...settings })
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())
  afterEach(async () => {
    await guest.endSession()
    await guest.inside('rm', '-f', '/run/calls')
  })
}

async function listen(parameters: Record<string, string>): Promise<void> {
  const { body, error } = await guest.simple('x_start', parameters)
  if (error !== undefined) throw new Error(`x_start answered ${body}`)
  await guest.untilState('listening')
}

/** The arguments of the call that was for `word`. */
function argvOf(word: string): string[] | undefined {
  return guest.hookCalls().find(({ argv }) => argv.at(-1) === word)?.argv
}

describe('hooks of actions', () => {
  inGuest(
    hookSettings({
      'vma.on_action.pre-connect': recorder(),
      'vma.on_action.connect': recorder('[ ! -e /run/refuse ]'),
    }),
  )

  test('C-70: pre-connect gets the parameters in their order, then the state and its own name', async () => {
    await listen({
      'qvd.client.os': 'linux',
      'qvd.vm.user.name': 'ann',
      'custom.note': 'two words, a comma and "quotes"',
      'qvd.client.geometry': '800x600',
      'qvd.client.fullscreen': '',
      'qvd.vm.user.home': '/home/ann',
      'qvd.vm.user.groups': 'audio',
    })
    expect(argvOf('pre_connect')).toEqual([
      ...['qvd.client.os', 'linux'],
      ...['qvd.vm.user.name', 'ann'],
      ...['custom.note', 'two words, a comma and "quotes"'],
      ...['qvd.client.geometry', '800x600'],
      ...['qvd.client.fullscreen', ''],
      ...['qvd.vm.user.home', '/home/ann'],
      ...['qvd.vm.user.groups', 'audio'],
      ...['qvd.vm.session.state', 'stopped'],
      ...['qvd.hook.on_action', 'pre_connect'],
    ])
  })

  test("C-71: connect gets the user's name, groups and home also when the client sent none", async () => {
    await listen({ 'qvd.client.os': 'linux' })
    expect(argvOf('connect')).toEqual([
      ...['qvd.client.os', 'linux'],
      ...['qvd.vm.user.name', 'qvd'],
      ...['qvd.vm.user.groups', 'qvduser'],
      ...['qvd.vm.user.home', '/home/qvd'],
      ...['qvd.vm.session.state', 'provisioning'],
      ...['qvd.hook.on_action', 'connect'],
    ])
  })

  test('C-72: a connect hook that exits 1 prevents the session, one that exits 0 does not', async () => {
    await guest.inside('touch', '/run/refuse')
    expect((await guest.simple('x_start', ANN)).body).toBe('"starting"\n\r\n')
    await guest.untilHook('connect')
    await guest.untilState('stopped')
    await until('the log to tell', () =>
      guest
        .read('/var/log/ostler/qvd.log')
        .includes('hook /etc/ostler/hooks/vma.on_action.connect for connect failed, rc: 1'),
    )
    expect(await guest.pidOf('nxagent')).toBeUndefined()
    await guest.inside('rm', '/run/refuse')
    await listen(ANN)
    expect(guest.hookWords()).toEqual(['pre_connect', 'connect', 'pre_connect', 'connect'])
  })
})

describe('the hook add_user', () => {
  const never = '/etc/ostler/never'
  const hooks = hookSettings({
    'vma.on_provisioning.add_user': recorder(
      'useradd --create-home --home-dir /home/ann --uid 4242 --comment "by the hook" ann',
    ),
    'vma.on_provisioning.after_add_user': recorder(),
  })
  inGuest({
    config: [...hooks.config, `command.useradd = ${never}`, `command.groupadd = ${never}`],
    files: { ...hooks.files, [never]: recorder('exit 1') },
  })

  test('C-73: replaces useradd when it succeeds, and after_add_user still runs', async () => {
    await listen(ANN)
    expect(guest.hookWords()).toEqual(['add_user', 'after_add_user'])
    expect(await guest.inside('getent', 'passwd', 'ann')).toMatch(/^ann:x:4242:\d+:by the hook:\/home\/ann:/)
    const given = [...['qvd.vm.user.name', 'ann'], ...['qvd.vm.user.groups', 'qvduser']]
    expect(guest.hookCalls().map(({ argv }) => argv)).toEqual(
      ['add_user', 'after_add_user'].map((word) => [
        ...given,
        ...['qvd.vm.user.home', '/home/ann'],
        ...['qvd.hook.on_provisioning', word],
      ]),
    )
  })
})

describe('the drive of the homes', () => {
  const scope = new Scope()
  let drive: LoopDrive

  beforeAll(async () => {
    drive = scope.own(await openLoopDrive(64 << 20))
  })
  afterAll(async () => await scope.close())

  function startWithDrive(settings: GuestSettings): Promise<Guest> {
    const config = [...(settings.config ?? []), `vma.user.home.drive = ${drive.path}`]
    return startGuest({ ...settings, plain: true, config })
  }

  /** Homes that are apart from the root already are left alone. */
  async function putHomesOnRoot(): Promise<void> {
    await guest.inside('umount', '/home')
  }

  test('C-74: is neither partitioned nor mounted when the hook mount_home succeeds', async () => {
    await using own = await startWithDrive(
      hookSettings({ 'vma.on_provisioning.mount_home': recorder('mkdir /home/ann') }),
    )
    guest = own
    await putHomesOnRoot()
    await listen(ANN)
    expect(guest.hookWords()).toEqual(['mount_home'])
    expect(readFileSync(drive.image).every((byte) => byte === 0)).toBe(true)
    expect(await guest.inside('findmnt', '--noheadings', '--output', 'TARGET', '--target', '/home')).toBe(
      '/\n',
    )
  })

  test('C-75: gets one partition with ext4, which is mounted where the homes are', async () => {
    await using own = await startWithDrive({})
    guest = own
    await putHomesOnRoot()
    await listen(ANN)
    const columns = 'SOURCE,FSTYPE,TARGET'
    expect(
      (await guest.inside('findmnt', '--noheadings', '--output', columns, '--target', '/home/ann')).trim(),
    ).toMatch(new RegExp(`^${drive.path}p1 +ext4 +/home$`))
    const table = await guest.inside('sfdisk', '--dump', drive.path)
    expect(table.match(new RegExp(`^${drive.path}p\\d+ :`, 'gm'))).toEqual([`${drive.path}p1 :`])
    expect(await guest.inside('stat', '--format', '%U %a', '/home/ann')).toMatch(/^ann 7[05][05]\n$/)
  })
})

describe('an account without hooks', () => {
  inGuest({ config: ['vma.user.shell = /bin/dash', 'vma.user.default.groups = video'] })

  test('C-76: is made with the home, groups, shell and numbers of the parameters', async () => {
    await guest.inside('mkdir', '/srv/homes')
    await listen({
      'qvd.vm.user.name': 'eve',
      'qvd.vm.user.uid': '7001',
      'qvd.vm.user.gid': '7002',
      'qvd.vm.user.group': 'painters',
      'qvd.vm.user.groups': 'audio, staff',
      'qvd.vm.user.home': '/srv/homes/eve',
    })
    expect(await guest.inside('getent', 'passwd', 'eve')).toBe('eve:x:7001:7002::/srv/homes/eve:/bin/dash\n')
    expect(await guest.inside('getent', 'group', '7002')).toBe('painters:x:7002:\n')
    expect((await guest.inside('id', '-nG', 'eve')).trim().split(' ').sort()).toEqual([
      'audio',
      'painters',
      'staff',
    ])
    expect(statSync(guest.path('/srv/homes/eve'))).toMatchObject({ uid: 7001, gid: 7002 })
  })

  test('C-76: is made with a group of its own and the configured groups when the parameters name none', async () => {
    await listen(ANN)
    const [name, , uid, gid, , home, shell] = (await guest.inside('getent', 'passwd', 'ann'))
      .trim()
      .split(':')
    expect({ name, home, shell }).toEqual({ name: 'ann', home: '/home/ann', shell: '/bin/dash' })
    expect(Number(uid)).toBeGreaterThanOrEqual(1_000)
    expect(await guest.inside('getent', 'group', gid ?? '')).toMatch(/^ann:/)
    expect((await guest.inside('id', '-nG', 'ann')).trim().split(' ').sort()).toEqual(['ann', 'video'])
  })
})

describe('hooks of states', () => {
  inGuest(
    hookSettings({
      'vma.on_state.connected': recorder('[ -e /run/hang ] && exec sleep 4711'),
      'vma.on_state.suspended': recorder(),
      'vma.on_state.disconnected': recorder(),
    }),
  )

  test('C-77: each gets its state alone, and the last is called "stopped"', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    client.kill('SIGKILL')
    await guest.untilHook('suspended')
    await guest.untilState('suspended')
    await guest.endSession()
    await guest.untilHook('stopped')
    expect(guest.hookCalls().map(({ argv }) => argv)).toEqual([
      ['qvd.hook.on_state', 'connected'],
      ['qvd.hook.on_state', 'suspended'],
      ['qvd.hook.on_state', 'stopped'],
    ])
  })

  test('C-78: one that hangs does not delay the session', async () => {
    await guest.inside('touch', '/run/hang')
    const { client } = await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    const xterm = await guest.xterm()
    client.kill('SIGKILL')
    await guest.untilState('suspended')
    await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected', 2)
    expect(await guest.xterm()).toBe(xterm)
    await guest.endSession()
    await guest.untilHook('stopped')
    expect((await guest.inside('pgrep', '-fc', '^sleep 4711')).trim()).toBe('2')
  })
})

describe('the log of the hooks', () => {
  inGuest({
    configFile: '/etc/qvd/vma.conf',
    ...hookSettings({ 'vma.on_action.expire': '#!/bin/sh\necho "said $2"\necho "complained $2" >&2\n' }),
  })

  test('C-79: has what each hook printed on either output, one after the other', async () => {
    for (const soft of ['2031-05-06 07:08:09', '2032-05-06 07:08:09'])
      expect((await guest.simple('expire', { 'vm.expiration.soft': soft })).error).toBeUndefined()
    // Where an administrator of QVD looks for it.
    const log = guest.read('/var/log/qvd/qvd-hooks.log')
    const call = (year: number): string =>
      `\n--- [-0-9TZ:.]+ opened for expire: /etc/ostler/hooks/vma\\.on_action\\.expire\n` +
      `said ${year}-05-06 07:08:09\ncomplained ${year}-05-06 07:08:09\n`
    expect(log).toMatch(new RegExp(`^${call(2031)}${call(2032)}$`))
    expect(existsSync(guest.path('/var/log/ostler'))).toBe(false)
  })
})
