import { existsSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { onProvisioning, sessionOf } from '../fixtures/hook-call.ts'
import { SealedRoom } from '../fixtures/sealed-room.ts'

let room: SealedRoom

beforeEach(async () => {
  room = await SealedRoom.open()
})

afterEach(async () => {
  await room[Symbol.asyncDispose]()
})

/** Writes a program of root's into the room. */
async function program(path: string, lines: string): Promise<void> {
  await room.shell(`printf '%s\\n' "$LINES" >${path}; chmod 755 ${path}`, { LINES: `#!/bin/sh\n${lines}` })
}

describe('mount-home-nfs', () => {
  const homes = 'files.example.test:/export/homes'
  const mount = (properties: Record<string, string>) =>
    onProvisioning(room, 'mount-home-nfs', 'mount_home', sessionOf('ann', properties))
  /** Not every kernel has NFS: in its place mount(8) calls this, which notes what it is told. */
  const helper = (lines: string) => program('/sbin/mount.nfs', `printf '<%s>' "$@" >>/run/told\n${lines}`)
  const told = () => (existsSync(room.path('/run/told')) ? room.read('/run/told') : '')
  const mounted = () => room.shell('findmnt --noheadings --output SOURCE --mountpoint /home || :')

  test('mounts the homes by mount(8), with limits in time and without set-uid programs', async () => {
    await helper('mount -i -t tmpfs "$1" "$2"')
    const before = await mounted()
    await room.shell('umount /home') // the room's own
    expect(before).toBe('room')
    const { code, said } = await mount({ 'nfs.home': `${homes}/` })
    expect(said).toBe(`The homes in /home come from ${homes}.\n`)
    expect(code).toBe(0)
    expect(told()).toBe(`<${homes}></home><-o><rw,nosuid,nodev,vers=4,hard,timeo=100,retrans=3,retry=0>`)
    expect(await mounted()).toBe(homes)
  })

  test('does nothing more when they are mounted', async () => {
    await helper('mount -i -t tmpfs "$1" "$2"')
    await room.shell('umount /home')
    await mount({ 'nfs.home': homes })
    const once = told()
    expect(await mount({ 'nfs.home': homes })).toEqual({ code: 0, said: '' })
    expect(told()).toBe(once)
    expect(await mounted()).toBe(homes)
  })

  test('takes other options, but never drops nosuid', async () => {
    await helper('mount -i -t tmpfs "$1" "$2"')
    await room.shell('umount /home')
    await mount({ 'nfs.home': '[fd00::7]:/homes', 'nfs.options': 'vers=3,soft,suid' })
    expect(told()).toBe('<[fd00::7]:/homes></home><-o><rw,nosuid,nodev,vers=3,soft>')
  })

  test('tells that the server refused, and leaves nothing mounted', async () => {
    await helper('echo "mount.nfs: Connection refused" >&2; exit 32')
    await room.shell('umount /home')
    const { code, said } = await mount({ 'nfs.home': homes })
    expect(code).toBe(1)
    expect(said).toMatch(/Connection refused\n[^]*The homes could not be mounted from files\.example\.test/)
    expect(await mounted()).toBe('')
  })

  test('takes back what is not what was asked for', async () => {
    await helper('mount -i -t tmpfs something-else "$2"')
    await room.shell('umount /home')
    const { code, said } = await mount({ 'nfs.home': homes })
    expect(said).toMatch('but /home is not it')
    expect(code).toBe(1)
    expect(await mounted()).toBe('')
  })

  test('does not cover what is mounted there already', async () => {
    await helper('')
    const { code, said } = await mount({ 'nfs.home': homes })
    expect({ code, said }).toEqual({
      code: 1,
      said: `/home is mounted from room already, not from ${homes}.\n`,
    })
    expect(told()).toBe('')
  })

  test('says what this image lacks', async () => {
    await room.shell('umount /home; rm -f /sbin/mount.nfs')
    const { code, said } = await mount({ 'nfs.home': homes })
    expect(said).toMatch('nfs-common')
    expect(code).toBe(1)
  })

  test.each([
    [{}, /nfs\.home is missing/],
    [{ 'nfs.home': 'files' }, /not of the form/],
    [{ 'nfs.home': '-o:/x' }, /characters/],
    [{ 'nfs.home': 'files:/a b' }, /characters/],
    [{ 'nfs.home': 'files:/x$(id)' }, /characters/],
    [{ 'nfs.home': homes, 'nfs.options': 'rw -o suid' }, /characters/],
    [{ 'nfs.home': homes, 'qvd.vm.user.home': '/home/../etc/ann' }, /not a plain path/],
    [{ 'nfs.home': homes, 'qvd.vm.user.home': '/ann' }, /must be a folder inside/],
  ])('refuses %o', async (properties, sentence) => {
    await helper('')
    const { code, said } = await mount(properties)
    expect(said).toMatch(sentence)
    expect(code).toBe(1)
    expect(told()).toBe('')
  })
})

describe('add-user', () => {
  const add = (properties: Record<string, string>) =>
    onProvisioning(room, 'add-user', 'add_user', sessionOf('ann', properties))
  const account = () => room.shell('getent passwd ann; id -Gn ann')

  test('makes the account with its number, groups, skeleton and a home of its own', async () => {
    await room.shell('mkdir /etc/skel-office; echo hello >/etc/skel-office/welcome; groupadd staff-it')
    const { code, said } = await add({
      'qvd.vm.user.groups': 'staff-it, sales , audio',
      'account.uid': '4711',
      'account.skeleton': '/etc/skel-office',
      'account.system.groups': 'audio,video',
    })
    expect({ code, said }).toEqual({ code: 0, said: '' })
    expect(await account()).toBe('ann:x:4711:4711::/home/ann:/bin/bash\nann audio staff-it sales')
    expect(await room.shellAs('ann', 'cat ~/welcome')).toBe('hello')
    expect(statSync(room.path('/home/ann')).mode & 0o777).toBe(0o700)
  })

  test('does nothing when the account is there', async () => {
    await add({ 'account.uid': '4711' })
    expect(await add({ 'account.uid': '4712' })).toEqual({ code: 0, said: '' })
    expect(await account()).toContain(':4711:')
  })

  test("a home that outlived its desktop keeps its owner's number", async () => {
    await room.shell('mkdir /home/ann; echo old >/home/ann/letter; chown -R 4321:4321 /home/ann')
    expect(await add({})).toMatchObject({ code: 0 })
    expect(await account()).toContain(':4321:')
    expect(await room.shellAs('ann', 'cat ~/letter; echo new >~/letter')).toBe('old')
  })

  test('undoes groups and account when the home cannot be made', async () => {
    // A file where a folder would have to be.
    await room.shell('echo >/srv/file')
    const { code, said } = await add({ 'qvd.vm.user.home': '/srv/file/ann', 'qvd.vm.user.groups': 'sales' })
    expect(said).toMatch(/The account ann could not be made\.\n$/)
    expect(code).toBe(1)
    await expect(account()).rejects.toThrow()
    await expect(room.shell('getent group sales')).rejects.toThrow()
    await expect(room.shell('getent group ann')).rejects.toThrow()
  })

  test('undoes the groups made before one that is not allowed', async () => {
    const { code, said } = await add({ 'qvd.vm.user.groups': 'sales,disk' })
    expect(said).toMatch('disk is a group of the system')
    expect(code).toBe(1)
    await expect(room.shell('getent group sales')).rejects.toThrow()
  })

  test.each([
    [{ 'qvd.vm.user.name': 'root' }, /root is not an account of a person/],
    [{ 'qvd.vm.user.name': '0' }, /not an account of a person/],
    [{ 'qvd.vm.user.name': '-r' }, /characters/],
    [{ 'qvd.vm.user.name': 'ann;id' }, /characters/],
    [{ 'qvd.vm.user.name': '' }, /missing/],
    [{ 'account.uid': '0' }, /below 1000/],
    [{ 'account.uid': '12a' }, /not a number/],
    [{ 'qvd.vm.user.home': 'ann' }, /does not begin at the root/],
    [{ 'qvd.vm.user.home': '/home/../etc' }, /not a plain path/],
    [{ 'qvd.vm.user.home': '/home/ann\n/etc' }, /not a plain path/],
    [{ 'qvd.vm.user.groups': '-f' }, /no group has/],
    [{ 'account.skeleton': '/nowhere' }, /names no folder/],
  ])('refuses %o', async (properties, sentence) => {
    const before = room.read('/etc/passwd')
    const { code, said } = await add(properties)
    expect(said).toMatch(sentence)
    expect(code).toBe(1)
    expect(room.read('/etc/passwd')).toBe(before)
  })
})

describe('mail-client', () => {
  const properties = { 'mail.server': 'imap.example.test', 'mail.domain': 'example.test' }
  const setUp = (set: Record<string, string>) =>
    onProvisioning(room, 'mail-client', 'after_add_user', sessionOf('ann', set))

  beforeEach(async () => {
    await room.addUser('ann', 4242, ['--comment', 'Ann "The" Lee,room 7'])
  })

  test('Thunderbird takes the profile and calls the server', async () => {
    const { code, said } = await setUp({ ...properties, 'mail.smtp': 'smtp.example.test' })
    expect({ code, said }).toEqual({
      code: 0,
      said: 'Thunderbird is set up for ann@example.test at imap.example.test.\n',
    })
    await room.shell('echo 127.0.0.1 imap.example.test >>/etc/hosts')
    room.start('root', 'socat', ['-u', 'TCP-LISTEN:993,bind=127.0.0.1', 'OPEN:/run/call,creat,append'])
    room.start('ann', 'thunderbird', ['--headless'])
    await room.until('the call', () => room.read('/run/call').includes('imap.example.test'), 300_000)
    expect(await room.shellAs('ann', 'cat ~/.thunderbird/installs.ini')).toContain('Default=office')
    expect(await room.shellAs('ann', 'cat ~/.thunderbird/office/prefs.js')).toContain(
      'user_pref("mail.identity.id1.fullName", "Ann The Lee");',
    )
  }, 360_000)

  test('writes what an administrator has set, and nothing that belongs to root', async () => {
    await setUp({ ...properties, 'mail.address': 'ann.lee@example.test' })
    const settings = await room.shellAs('ann', 'cat ~/.thunderbird/office/prefs.js')
    expect(settings).toContain('user_pref("mail.identity.id1.useremail", "ann.lee@example.test");')
    expect(settings).toContain('user_pref("mail.smtpserver.smtp1.hostname", "imap.example.test");')
    expect(await room.shell('find /home/ann ! -user ann; ls -d /home/ann/.thunder*')).toBe(
      '/home/ann/.thunderbird',
    )
  })

  test('leaves a profile alone', async () => {
    await room.shellAs('ann', 'mkdir ~/.thunderbird; echo mine >~/.thunderbird/profiles.ini')
    expect(await setUp(properties)).toEqual({ code: 0, said: '' })
    expect(await room.shellAs('ann', 'cat ~/.thunderbird/*')).toBe('mine')
  })

  test('is not led out of her home', async () => {
    await room.shell('mkdir /srv/secret; chmod 700 /srv/secret; mv /home/ann /home/ann.real')
    await room.shell('ln -s /srv/secret /home/ann; chown -h ann /home/ann')
    expect((await setUp(properties)).said).toMatch(/cannot be written\.\n$/)
    expect(await room.shell('ls -A /srv/secret')).toBe('')
  })

  test.each([
    [{ 'mail.domain': 'example.test' }, /mail\.server is missing/],
    [{ 'mail.server': 'x"); evil("', 'mail.domain': 'example.test' }, /characters/],
    [{ 'mail.server': 'imap.example.test', 'mail.address': 'a\nb@example.test' }, /characters/],
    [{ 'mail.server': 'imap.example.test' }, /not an address/],
    [{ ...properties, 'mail.thunderbird': '/nowhere' }, /no Thunderbird/],
    [{ ...properties, 'qvd.vm.user.name': 'root' }, /not an account of a person/],
  ])('with %o it says why there is none', async (set, sentence) => {
    const { said } = await setUp(set)
    expect(said).toMatch(sentence)
    expect(await room.shell('ls -A /home/ann /root')).not.toContain('.thunderbird')
  })
})
