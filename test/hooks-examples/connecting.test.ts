import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { onAction, sessionOf } from '../fixtures/hook-call.ts'
import { SealedRoom } from '../fixtures/sealed-room.ts'

let room: SealedRoom

beforeEach(async () => {
  room = await SealedRoom.open()
})

afterEach(async () => {
  await room[Symbol.asyncDispose]()
})

describe('vpn-route', () => {
  const route = (routes?: string) =>
    onAction(
      room,
      'vpn-route',
      'pre_connect',
      sessionOf('ann', routes === undefined ? {} : { 'vpn.routes': routes }),
    )
  const OWN = '10.3.15.0/24 dev eth0 proto kernel scope link src 10.3.15.9'
  const routes = async () =>
    (await room.shell('ip -4 route show; ip -6 route show | grep -v ^fe80 || :'))
      .split('\n')
      .map((line) => line.trim())

  test('sets routes of both families', async () => {
    await room.shell('ip address add fd00:3::9/64 dev eth0 nodad')
    const wanted = '10.8.0.0/16 via 10.3.15.7,fd00:0008::/32 via fd00:3::7 dev eth0, 10.9.9.9/32 dev eth0'
    expect(await route(wanted)).toEqual({ code: 0, said: '' })
    expect(await routes()).toEqual([
      OWN,
      '10.8.0.0/16 via 10.3.15.7 dev eth0 proto 79',
      '10.9.9.9 dev eth0 proto 79 scope link',
      'fd00:3::/64 dev eth0 proto kernel metric 256 pref medium',
      'fd00:8::/32 via fd00:3::7 dev eth0 proto 79 metric 1024 pref medium',
    ])
  })

  test('may come again and again; what is no longer wanted goes', async () => {
    await route('10.8.0.0/16 via 10.3.15.7,10.9.0.0/16 via 10.3.15.7')
    const once = await routes()
    expect(await route('10.8.0.0/16 via 10.3.15.7,10.9.0.0/16 via 10.3.15.7')).toMatchObject({ code: 0 })
    expect(await routes()).toEqual(once)
    await route('10.9.0.0/16 via 10.3.15.8')
    expect(await routes()).toEqual([OWN, '10.9.0.0/16 via 10.3.15.8 dev eth0 proto 79'])
    await route()
    expect(await routes()).toEqual([OWN])
  })

  test('never touches the route of another', async () => {
    await room.shell('ip route add 10.8.0.0/16 via 10.3.15.1')
    await route('10.9.0.0/16 via 10.3.15.7')
    const before = await routes()
    const { code, said } = await route('10.10.0.0/16 via 10.3.15.7, 10.8.0.0/16 via 10.3.15.7')
    expect(said).toMatch(/File exists\n.*could not be set up \(vpn\.routes\)\..*\n$/)
    expect(code).toBe(1)
    expect(await routes()).toEqual(before)
  })

  test('a gateway that cannot be reached leaves everything as it was', async () => {
    await room.shell('ip address add fd00:3::9/64 dev eth0 nodad')
    await route('10.9.0.0/16 via 10.3.15.7, fd00:8::/32 via fd00:3::7')
    const before = await routes()
    expect(await route('10.10.0.0/16 via 10.3.15.7, 10.11.0.0/16 via 192.168.1.1')).toMatchObject({ code: 1 })
    expect(await routes()).toEqual(before)
  })

  test.each([
    ['0.0.0.0/0 via 10.3.15.7', /\/8 to \/128/],
    ['default via 10.3.15.7', /no network/],
    ['10.8.0.0 via 10.3.15.7', /\/8 to \/128/],
    ['10.8.0.0/16', /no route/],
    ['10.8.0.0/16 via 10.3.15.7 table 5', /no route/],
    ['10.8.0.0/16 via 10.3.15.7 dev', /no route/],
    ['10.8.0.0/16 via $(id)', /no gateway/],
    ['10.8.0.0/16 dev -x', /no device/],
    ['10.8.0.0/16 dev *', /no device/],
    ['-batch /etc/passwd', /no network/],
  ])('refuses «%s»', async (wanted, sentence) => {
    const { code, said } = await route(`10.9.0.0/16 via 10.3.15.7,${wanted}`)
    expect(said).toMatch(sentence)
    expect(code).toBe(1)
    expect(await routes()).toEqual([OWN])
  })
})

describe('group-folders', () => {
  const show = (root = '/srv/groups') =>
    onAction(room, 'group-folders', 'connect', sessionOf('ann', { 'folders.root': root }))
  const links = () =>
    room.shellAs('ann', 'cd ~/Groups; for name in *; do echo "$name: $(readlink "$name")"; done')

  beforeEach(async () => {
    await room.shell('groupadd sales; groupadd staff-it')
    // Directory services have groups with blanks; groupadd makes none.
    await room.shell('echo "domain users:x:7007:ann" >>/etc/group; groupadd other')
    await room.addUser('ann', 4242, ['--groups', 'sales,staff-it'])
    await room.shell('cd /srv; for group in sales "domain users" other; do mkdir -p "groups/$group"; done')
  })

  test('links the folders of her groups, and no others', async () => {
    expect(await show()).toEqual({ code: 0, said: '' })
    expect(await links()).toBe('domain users: /srv/groups/domain users\nsales: /srv/groups/sales')
    expect(await room.shell('find /home/ann/Groups ! -user ann')).toBe('')
  })

  test('follows a change of groups', async () => {
    await show()
    await room.shell('gpasswd --delete ann sales; gpasswd --add ann other')
    expect(await show('/srv/groups/')).toEqual({ code: 0, said: '' })
    expect(await links()).toBe('domain users: /srv/groups/domain users\nother: /srv/groups/other')
  })

  test('leaves alone what is hers', async () => {
    await room.shellAs('ann', 'mkdir ~/Groups; echo mine >~/Groups/sales; ln -s /srv ~/Groups/other')
    const { code, said } = await show()
    expect({ code, said }).toEqual({
      code: 0,
      said: '/home/ann/Groups/sales is something else and stays as it is.\n',
    })
    expect(await room.shellAs('ann', 'cat ~/Groups/sales; readlink ~/Groups/other')).toBe('mine\n/srv')
  })

  test('a link in her home does not lead root into the folder of another', async () => {
    await room.shell(
      'mkdir -m 700 /srv/secret; ln -s /srv/secret /home/ann/Groups; chown -h ann /home/ann/Groups',
    )
    const { code, said } = await show()
    expect(said).toMatch('could not be made')
    expect(code).toBe(0)
    expect(await room.shell('ls -A /srv/secret')).toBe('')
  })

  test.each([
    ['', /names no folder/],
    ['srv/groups', /names no folder/],
    ['/srv/../etc', /not a plain path/],
    ['/srv/nowhere', /is not there/],
  ])('with folders.root=%s she gets her desktop all the same', async (root, sentence) => {
    const { code, said } = await show(root)
    expect(said).toMatch(sentence)
    expect(code).toBe(0)
    expect(await room.shell('ls -A /home/ann')).not.toContain('Groups')
  })
})
