import { existsSync, writeFileSync } from 'node:fs'
import { crc32, deflateSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { onState, sessionOf } from '../fixtures/hook-call.ts'
import { type RoomScreen, SealedRoom } from '../fixtures/sealed-room.ts'

let room: SealedRoom

beforeEach(async () => {
  room = await SealedRoom.open()
  await room.addUser('ann', 4242)
})

afterEach(async () => {
  await room[Symbol.asyncDispose]()
})

describe('default-printer', () => {
  const connected = (queue: string, more: Record<string, string> = {}) =>
    onState(room, 'default-printer', 'connected', sessionOf('ann', { 'printer.default': queue, ...more }))
  const addQueue = (name: string) => room.shell(`lpadmin -p ${name} -E -v ipp://127.0.0.1:9/${name}`)

  beforeEach(async () => {
    room.start('root', 'cupsd', ['-f'])
    await room.until('cupsd', () => room.shell('lpstat -r | grep "is running"'))
    await addQueue('floor1')
    await addQueue('floor2')
  })

  test('is hers alone', async () => {
    await room.addUser('bob', 4243)
    const { code, said } = await connected('floor2')
    expect({ code, said }).toEqual({ code: 0, said: 'The default printer of ann is floor2.\n' })
    expect(await room.shellAs('ann', 'lpstat -d')).toBe('system default destination: floor2')
    expect(await room.shellAs('bob', 'lpstat -d')).toBe('no system default destination')
  })

  test('may change', async () => {
    await connected('floor2')
    await connected('floor1')
    expect(await room.shellAs('ann', 'lpstat -d')).toBe('system default destination: floor1')
  })

  test('is waited for', async () => {
    const ended = connected('laptop')
    await room.until('the hook', () => room.shell('pgrep -u ann sleep'))
    await addQueue('laptop')
    expect(await ended).toMatchObject({ code: 0 })
    expect(await room.shellAs('ann', 'lpstat -d')).toBe('system default destination: laptop')
  })

  test('is told of when there is no such printer', async () => {
    const { code, said } = await connected('floor9', { 'printer.wait': '0' })
    expect({ code, said }).toEqual({ code: 1, said: 'There is no printer floor9.\n' })
  })

  test('is not waited for without end', async () => {
    const { code, said } = await connected('floor2', { 'printer.wait': '3600' })
    expect(said).toMatch('up to 50')
    expect(code).toBe(1)
  })

  test.each(['-h evil.example.test', 'a b', '-E'])('refuses the name «%s»', async (queue) => {
    const { code, said } = await connected(queue)
    expect(said).toMatch('characters')
    expect(code).toBe(1)
  })
})

describe('wallpaper', () => {
  let screen: RoomScreen

  beforeEach(async () => {
    screen = await room.openScreen('ann')
  })

  const paint = (wallpaper: string) =>
    onState(room, 'wallpaper', 'connected', sessionOf('ann', { wallpaper }), { screen })
  const untilPixel = (colour: string) =>
    room.until(`the colour ${colour}`, async () => (await screen.pixel(320, 240)) === colour)

  describe('under a plain window manager', () => {
    beforeEach(async () => {
      await room.shell('rm /usr/bin/xfdesktop')
    })

    test('paints a colour', async () => {
      expect(await paint('#2040A0')).toEqual({ code: 0, said: '' })
      await untilPixel('#2040a0')
    })

    test('shows an image', async () => {
      writeFileSync(room.path('/srv/office.png'), png([200, 100, 50]))
      expect(await paint('/srv/office.png')).toEqual({ code: 0, said: '' })
      await untilPixel('#c86432')
    })

    test('does not show what she may not read', async () => {
      writeFileSync(room.path('/srv/secret.png'), png([200, 100, 50]), { mode: 0o600 })
      const { code, said } = await paint('/srv/secret.png')
      expect(said).toMatch('may not read it')
      expect(code).toBe(1)
    })

    test.each(['red', '#12345', '#12345g', '#1234567', '-mod'])('refuses «%s»', async (wallpaper) => {
      const { code, said } = await paint(wallpaper)
      expect(said).toMatch('neither')
      expect(code).toBe(1)
    })
  })

  describe('under Xfce', () => {
    const bus = 'unix:path=/run/user/4242/own-bus'
    const startDesktop = (): void =>
      room.start('ann', 'xfdesktop', [], { ...screen.environment, DBUS_SESSION_BUS_ADDRESS: bus })

    beforeEach(async () => {
      room.start('ann', 'dbus-daemon', ['--session', '--nofork', `--address=${bus}`])
      await room.until('the bus', () => existsSync(room.path('/run/user/4242/own-bus')))
    })

    test('paints a colour, then an image', async () => {
      startDesktop()
      const painted = 'xprop -root XFCE_DESKTOP_WINDOW | grep 0x'
      await room.until('xfdesktop', () => room.shell(painted, screen.environment))
      expect(await paint('#80ff40')).toEqual({ code: 0, said: '' })
      await untilPixel('#80ff40')
      writeFileSync(room.path('/srv/office.png'), png([200, 100, 50]))
      expect(await paint('/srv/office.png')).toEqual({ code: 0, said: '' })
      await untilPixel('#c86432')
    })

    test('waits for a desktop that is only just starting', async () => {
      const ended = paint('#80ff40')
      await room.until('the hook', () => room.shell('pgrep -u ann sleep'))
      startDesktop()
      expect(await ended).toEqual({ code: 0, said: '' })
      await untilPixel('#80ff40')
    })
  })

  test('without the property nothing is painted', async () => {
    const before = await screen.pixel(320, 240)
    expect(await paint('')).toEqual({ code: 0, said: '' })
    expect(await screen.pixel(320, 240)).toBe(before)
  })
})

describe('home-size-check', () => {
  const check = (limit: string, screen?: RoomScreen) =>
    onState(
      room,
      'home-size-check',
      'connected',
      sessionOf('ann', { 'home.limit': limit }),
      screen && { screen },
    )
  const shown = () => room.shell('pgrep -u ann -a xmessage || :')

  test('tells her once a day when her home is nearly full', async () => {
    const screen = await room.openScreen('ann')
    await room.shellAs('ann', 'head -c 9500000 /dev/zero >~/film')
    const { code, said } = await check('10M', screen)
    expect({ code, said }).toEqual({ code: 0, said: 'ann uses 91% of the 10M of her home.\n' })
    await room.until('the window', () => room.shell("xdotool search --name 'Your home'", screen.environment))
    expect(await shown()).toMatch(/Your home holds 91% of the 10M that it may\./)
    await room.shell('pkill -u ann xmessage')
    await room.until('its end', async () => (await shown()) === '')
    await check('10M', screen)
    expect(await shown()).toBe('')
    await room.shellAs('ann', "touch --date 'yesterday' ~/.cache/ostler-home-size")
    await check('10M', screen)
    await room.until('the window again', async () => (await shown()) !== '')
  })

  test('counts a file with two names once, no other file system, and nothing behind links', async () => {
    await room.shellAs('ann', 'head -c 1000000 /dev/zero >~/film; ln ~/film ~/again; ln -s /usr ~/system')
    await room.shell(
      'mkdir ~ann/mounted; mount -t tmpfs x ~ann/mounted; head -c 9000000 /dev/zero >~ann/mounted/big',
    )
    expect((await check('10M')).said).toMatch(/^ann uses (9|10)% of the 10M of her home\.\n$/)
  })

  test.each(['10', '0G', '-1G', '10 G'])('refuses the limit «%s»', async (limit) => {
    const { code, said } = await check(limit)
    expect(said).toMatch('not of the form')
    expect(code).toBe(1)
  })
})

describe('cleanup', () => {
  const clean = (properties: Record<string, string> = {}, screen?: RoomScreen) =>
    onState(room, 'cleanup', 'stopped', sessionOf('ann', properties), screen && { screen })
  const running = (user: string) => room.shell(`ps -u ${user} -o comm= | sort | tr '\\n' ' '`)

  beforeEach(async () => {
    await room.addUser('bob', 4243)
  })

  test('ends what she left running, also what does not want to, and nothing of others', async () => {
    room.start('ann', 'sleep', ['1000'])
    room.start('ann', 'perl', ['-e', '$SIG{TERM} = "IGNORE"; open F, ">/tmp/deaf"; sleep 1000'])
    room.start('bob', 'sleep', ['1000'])
    room.start('root', 'sleep', ['1000'])
    await room.until('all four', async () => {
      await room.shell('pgrep -u bob sleep; pgrep -u root sleep; pgrep -u ann sleep; test -e /tmp/deaf')
    })
    const { code, said } = await clean()
    expect({ code, said }).toEqual({ code: 0, said: 'Ending 2 processes of ann.\n' })
    expect(await running('ann')).toBe('')
    expect(await running('bob')).toBe('sleep')
    expect(await room.shell('pgrep -c -u root sleep')).toBe('1')
  })

  test('spares the programs that may go on', async () => {
    room.start('ann', 'tail', ['-f', '/dev/null'])
    room.start('ann', 'sleep', ['1000'])
    await room.until('both', () => room.shell('pgrep -u ann tail; pgrep -u ann sleep'))
    expect(await clean({ 'cleanup.keep': 'screen, tail' })).toMatchObject({ code: 0 })
    expect(await running('ann')).toBe('tail')
  })

  test('removes her temporary files and no others, and follows no links', async () => {
    await room.shellAs('ann', 'mkdir -p /tmp/a/b/c; echo >/tmp/a/b/c/file; echo >"/var/tmp/with blank"')
    await room.shellAs('ann', 'mkdir ~/kept; echo >~/kept/file; ln -s ~/kept /tmp/link')
    await room.shellAs('bob', 'echo >/tmp/his; mkdir -m 777 /var/tmp/shared; echo >/var/tmp/shared/his')
    await room.shellAs('ann', 'echo >/var/tmp/shared/hers')
    expect(await clean()).toMatchObject({ code: 0 })
    expect(await room.shell('cd /; find tmp var/tmp ! -user root | sort')).toBe(
      ['tmp/his', 'var/tmp/shared', 'var/tmp/shared/his'].join('\n'),
    )
    expect(await room.shellAs('ann', 'ls ~/kept')).toBe('file')
  })

  test('does not touch the session that she opens meanwhile', async () => {
    // It does not end by TERM, so the hook is under way for some seconds.
    room.start('ann', 'perl', [
      '-e',
      '$SIG{TERM} = sub { open F, ">$ENV{HOME}/told" }; open F, ">/tmp/deaf"; sleep 9 while 1',
    ])
    await room.until('the old one', () => existsSync(room.path('/tmp/deaf')))
    const ended = clean()
    await room.until('the hook', () => existsSync(room.path('/home/ann/told')))
    room.start('ann', 'sleep', ['1000'])
    await room.until('the new one', () => room.shell('pgrep -u ann -f "^sleep 1000"'))
    await room.shellAs('ann', 'echo >/tmp/new')
    expect(await ended).toMatchObject({ code: 0 })
    expect(await room.shell('ps -u ann -o args=')).toBe('sleep 1000')
    expect(existsSync(room.path('/tmp/deaf'))).toBe(false)
    expect(existsSync(room.path('/tmp/new'))).toBe(true)
  })

  test('does nothing while a session is open', async () => {
    const screen = await room.openScreen('ann')
    expect(await clean({}, screen)).toEqual({ code: 0, said: 'A session is open: nothing is cleaned up.\n' })
    expect(await running('ann')).toBe('Xvfb')
  })

  test.each(['root', 'daemon', '0', ''])('never cleans up after «%s»', async (name) => {
    const { code } = await onState(room, 'cleanup', 'stopped', sessionOf(name))
    expect(code).toBe(1)
  })
})

/** An image of 8 × 8 points of one colour. */
function png(colour: readonly [number, number, number]): Buffer {
  const line = [0, ...Array.from({ length: 8 }, () => colour).flat()]
  const header = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0])
  const lines = deflateSync(Buffer.from(Array.from({ length: 8 }, () => line).flat()))
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', lines),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), content])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(content.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
