import { Fault } from '@ostler/contract/fault.ts'
import { parseAccount } from '@ostler/kit/passwd.ts'
import { existsSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { UserRequest } from '../../user/account.ts'
import { PrivateSystem } from './private-system.ts'

let system: PrivateSystem
beforeAll(() => {
  if (!existsSync('/usr/lib/libnss_extrausers.so.2'))
    throw new Error('these tests need libnss-extrausers; "npm test" installs it')
})
beforeEach(async () => {
  system = await PrivateSystem.open()
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
})

function request(more: Partial<UserRequest> = {}): UserRequest {
  const name = more.name ?? 'ann'
  return {
    name,
    uid: undefined,
    gid: undefined,
    group: name,
    groups: [],
    home: `/home/${name}`,
    shell: '/bin/sh',
    ...more,
  }
}

/** The files that say who there is. */
function database(): Record<string, string> {
  const files = ['passwd', 'group', 'shadow', 'gshadow']
  return Object.fromEntries(files.map((file) => [file, system.read(`/etc/${file}`)]))
}

const account = (name: string) =>
  parseAccount(
    system
      .read('/etc/passwd')
      .split('\n')
      .find((line) => line.startsWith(`${name}:`)) ?? '',
  )

function group(name: string): { gid: number; members: string[] } | undefined {
  const line = system
    .read('/etc/group')
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
  const [, , gid, members = ''] = line?.split(':') ?? []
  return line === undefined ? undefined : { gid: Number(gid), members: members.split(',').filter(Boolean) }
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
  if (error instanceof Fault) return error
  throw error
}

describe('an account is found', () => {
  test('in the files of the system', async () => {
    expect(await system.call('find', 'root')).toMatchObject({ name: 'root', uid: 0, gid: 0, home: '/root' })
    expect(await system.call('find', 'no-such-user')).toBeNull()
  })

  test('in a directory, when the system has one', async () => {
    await system.shell(`mkdir -p /var/lib/extrausers
echo 'dora:x:70001:70002:Dora:/home/dora:/bin/bash' > /var/lib/extrausers/passwd`)
    expect(await system.call('find', 'dora')).toBeNull()
    await system.shell(
      `sed -i 's/^passwd:.*/passwd: files [NOTFOUND=continue] extrausers/' /etc/nsswitch.conf`,
    )
    expect(await system.call('find', 'dora')).toEqual({
      name: 'dora',
      uid: 70_001,
      gid: 70_002,
      home: '/home/dora',
      shell: '/bin/bash',
    })
    expect(await system.call('find', 'no-such-user')).toBeNull()
  })

  test('by its name alone: a number is no name', async () => {
    await system.shell(`sed -i 's/^passwd:.*/passwd: files extrausers/' /etc/nsswitch.conf`)
    expect(await system.call('find', '0')).toBeNull()
  })

  test('never, and that is a fault, when the directory cannot be asked', async () => {
    await system.shell(`sed -i 's/^passwd:.*/passwd: files extrausers/' /etc/nsswitch.conf
printf '#!/bin/sh\\necho no answer >&2; exit 3\\n' > /usr/local/bin/getent
chmod 755 /usr/local/bin/getent`)
    const fault = await faultOf(system.call('find', 'dora'))
    expect(fault.code).toBe('session.user')
    expect(fault.message).toContain('it could not be looked up: no answer')
  })
})

describe('an account is made', () => {
  test('with a group of its own, its home from the skeleton, and its shell', async () => {
    await system.shell('echo hello > /etc/skel/welcome')
    expect(await system.call('create', request({ shell: '/bin/bash' }))).toEqual({ warnings: [] })
    const ann = account('ann')
    expect(ann).toMatchObject({ home: '/home/ann', shell: '/bin/bash' })
    expect(ann?.uid).toBeGreaterThanOrEqual(1_000)
    expect(group('ann')).toEqual({ gid: ann?.gid, members: [] })
    expect(await system.shell('stat -c "%U %G" /home/ann /home/ann/welcome')).toBe('ann ann\nann ann')
  })

  test('with the numbers that were asked for', async () => {
    await system.call('create', request({ uid: 4711, gid: 4712 }))
    expect(account('ann')).toMatchObject({ uid: 4711, gid: 4712 })
    expect(group('ann')?.gid).toBe(4712)
  })

  test('with another group, which is made when it is missing', async () => {
    await system.call('create', request({ group: 'staff-of-ours', gid: 4712 }))
    expect(group('staff-of-ours')?.gid).toBe(4712)
    expect(account('ann')?.gid).toBe(4712)
    expect(group('ann')).toBeUndefined()
  })

  test('with a group that is there', async () => {
    await system.shell('groupadd --gid 4712 ann; groupadd --gid 4713 others')
    await system.call('create', request())
    await system.call('create', request({ name: 'bea', group: 'others' }))
    expect([account('ann')?.gid, account('bea')?.gid]).toEqual([4712, 4713])
  })

  test.each(['Ann.Lee', 'ann-lee_2', '_ann', 'a'.repeat(32)])('with the name %s', async (name) => {
    await system.call('create', request({ name }))
    expect(account(name)?.home).toBe(`/home/${name}`)
  })

  test('below folders that are missing', async () => {
    await system.call('create', request({ home: '/home/faculty/of/law/ann' }))
    expect(await system.shell('runuser -u ann -- sh -c "cd /home/faculty/of/law/ann && pwd"')).toBe(
      '/home/faculty/of/law/ann',
    )
  })

  test('in the groups that are there; others are a warning, but not those of the defaults', async () => {
    await system.shell('groupadd scanners')
    const groups = ['scanners', 'qvduser', 'admins', 'also-missing']
    const config = { 'vma.user.default.groups': 'qvduser, also-missing' }
    expect(await system.call('create', request({ groups }), config)).toEqual({
      warnings: ['the group admins does not exist in this desktop'],
    })
    expect(group('scanners')?.members).toEqual(['ann'])
  })
})

describe('a home that outlived its account', () => {
  const makeHome = (uid: number, gid: number): Promise<string> =>
    system.shell(`mkdir -m 700 /home/ann; echo work > /home/ann/work; chown -R ${uid}:${gid} /home/ann`)

  test('gives its numbers to the new account: the files in it stay hers', async () => {
    await makeHome(4711, 4712)
    await system.call('create', request())
    expect(account('ann')).toMatchObject({ uid: 4711, gid: 4712 })
    expect(await system.shell('runuser -u ann -- cat /home/ann/work')).toBe('work')
  })

  test('does not when other numbers were asked for', async () => {
    await makeHome(4711, 4712)
    await system.call('create', request({ uid: 5711, gid: 5712 }))
    expect(account('ann')).toMatchObject({ uid: 5711, gid: 5712 })
  })

  test('does not when somebody else has its numbers by now', async () => {
    await system.shell('groupadd --gid 4712 new; useradd --uid 4711 --gid 4712 --no-create-home new')
    await makeHome(4711, 4712)
    await system.call('create', request())
    expect(account('ann')?.uid).not.toBe(4711)
    expect(account('ann')?.gid).not.toBe(4712)
  })

  test('does not when its numbers are those of the system', async () => {
    await makeHome(0, 0)
    await system.call('create', request())
    expect(account('ann')?.uid).toBeGreaterThanOrEqual(1_000)
  })
})

describe('what cannot be made', () => {
  test('is a fault with the words of useradd, and nothing is left behind', async () => {
    await system.shell('useradd --uid 4711 --no-create-home somebody')
    const before = database()
    const fault = await faultOf(system.call('create', request({ uid: 4711, gid: 5000 })))
    expect(fault.code).toBe('session.user')
    expect(fault.message).toContain('UID 4711 is not unique')
    expect(database()).toEqual(before)
    expect(await system.shell('ls -A /home')).not.toContain('ann')
  })

  test('because its group has a number that is taken is a fault, and nothing is left behind', async () => {
    await system.shell('groupadd --gid 4712 somebody')
    const before = database()
    const fault = await faultOf(system.call('create', request({ gid: 4712 })))
    expect(fault.message).toContain("GID '4712' already exists")
    expect(database()).toEqual(before)
  })

  test('because a program is missing is a fault that names it', async () => {
    const config = { 'command.useradd': '/no/such/useradd' }
    const fault = await faultOf(system.call('create', request(), config))
    expect(fault.code).toBe('session.user')
    expect(fault.message).toContain('/no/such/useradd could not be started')
  })

  test.each([
    ['has no room', 'size=1M,nr_inodes=1', 'home.full'],
    ['has no room for the skeleton', 'size=4k', 'home.full'],
    ['cannot be written to', 'ro', 'home.readOnly'],
  ])('because the drive %s is a fault of the drive, and nothing is left behind', async (_, options, code) => {
    await system.shell(`mount -t tmpfs -o ${options} small /home; head -c 40000 /dev/zero > /etc/skel/large`)
    const before = database()
    const fault = await faultOf(system.call('create', request()))
    expect(fault).toMatchObject({ code, detail: { place: '/home/ann' } })
    expect(database()).toEqual(before)
    expect(await system.shell('ls -A /home')).toBe('')
  })

  test('does not cost the user whose name is like a trial of ours her home', async () => {
    await system.shell(`mount -t tmpfs -o size=64k,nr_inodes=4 small /home
mkdir /home/ann.trial; echo work > /home/ann.trial/work; mkdir /home/full`)
    expect((await faultOf(system.call('create', request()))).code).toBe('home.full')
    expect(system.read('/home/ann.trial/work')).toBe('work\n')
  })

  test('because somebody has just made it is a fault that leaves what she made', async () => {
    await system.shell(`printf '#!/bin/sh\nuseradd "$@"; exec useradd "$@"\n' > /usr/local/bin/twice
chmod 755 /usr/local/bin/twice`)
    const fault = await faultOf(
      system.call('create', request(), { 'command.useradd': '/usr/local/bin/twice' }),
    )
    expect(fault.message).toContain("user 'ann' already exists")
    expect(account('ann')).toBeDefined()
  })

  test('because useradd was ended half-way is a fault, and nothing is left behind', async () => {
    await system.shell(`printf '#!/bin/sh\nuseradd "$@"; kill -9 $$\n' > /usr/local/bin/half
chmod 755 /usr/local/bin/half`)
    const before = database()
    const fault = await faultOf(
      system.call('create', request(), { 'command.useradd': '/usr/local/bin/half' }),
    )
    expect(fault.code).toBe('session.user')
    expect(database()).toEqual(before)
    expect(await system.shell('ls -A /home')).not.toContain('ann')
  })
})

describe('an account that was made is gone again', () => {
  test.each([
    ['with its own group', request()],
    ['with a group that was made for it', request({ group: 'ours', gid: 4712 })],
  ])('%s and its home', async (_, wanted) => {
    const before = database()
    await system.call('createAndUndo', wanted)
    expect(database()).toEqual(before)
    expect(await system.shell('ls -A /home')).not.toContain('ann')
  })

  test('but not the home that was there before', async () => {
    await system.shell('mkdir -m 700 /home/ann; echo work > /home/ann/work; chown -R 4711:4712 /home/ann')
    await system.call('createAndUndo', request())
    expect(account('ann')).toBeUndefined()
    expect(system.read('/home/ann/work')).toBe('work\n')
  })

  test.each(['ann', 'others'])('but not the group %s that was there before', async (name) => {
    await system.shell(`groupadd --gid 4712 ${name}`)
    const before = database()
    await system.call('createAndUndo', request({ group: name }))
    expect(database()).toEqual(before)
  })
})
