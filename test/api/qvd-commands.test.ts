import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'

/** The commands of QVD's 3.x manual, in its own words, against a real api and database (compatibility page 9.1). */
let room: QaRoom
beforeAll(async () => void (room = await openQaRoom()))
afterAll(async () => await room[Symbol.asyncDispose]())

async function printed(...given: Parameters<QaRoom['qa']>): Promise<readonly string[]> {
  const { lines, failed } = await room.qa(...given)
  expect(failed).toBeUndefined()
  return lines
}

describe('in the order of the manual', () => {
  test('a node is added, listed, counted, blocked and removed', async () => {
    expect(await printed('host add name=NewNode address=192.168.0.12')).toEqual(['Host added with id 1'])
    expect((await printed('host add name=NewNode2'))[0]).toBe('Host added with id 2')
    const [row = ''] = await printed('host list -q -f address=192.168.0.12')
    expect(row.split(' | ').slice(0, 3)).toEqual(['1', 'NewNode', '192.168.0.12'])
    expect(await printed(['host', 'block', '-f', 'name=New*'])).toEqual(['Blocked 2 hosts.'])
    expect(await printed('host list -q -f blocked=1 --columns=name')).toEqual(['NewNode', 'NewNode2'])
    expect(await printed(['host', 'unblock', '-f', 'name=New*'])).toEqual(['Unblocked 2 hosts.'])
    expect((await printed('host counters -f name=NewNode')).length).toBe(3)
    expect(await printed(['host', 'del', '-f', 'name=NewNode2'])).toEqual(['1 hosts deleted.'])
  })

  test('a flavour, an image and its tags', async () => {
    expect(await printed('osf add name=myOSF use_overlay=1 memory=1024 user_storage_size=2G')).toEqual([
      'OSF added with id 1',
    ])
    expect((await printed('osf list -q'))[0]).toMatch(/^1 +\| myOSF \| 1024 +\| 1 +\| 2048/)
    const path = '/var/lib/qvd/storage/staging/qvd-guest.tar.gz'
    const [said] = await printed(`di add path=${path} osf_id=1`)
    expect(said).toMatch(/^DI added with id 1, version \d{4}-\d\d-\d\d-000$/)
    expect((await printed('di list -q -f osf_id=1'))[0]).toMatch(/myOSF.*default head|myOSF/)
    expect(await printed('di tag di_id=1 tag=acrobat_bug_fixed')).toEqual(['DI tagged'])
    const { failed } = await room.qa('di add path=/x/y osf_id=1')
    expect(failed).toMatchObject({ code: 'request.invalid' })
    expect((failed as Error).message).toContain('kind=')
  })

  test('users, and a password that is asked for twice', async () => {
    expect(await printed('user add login=peter password=s3cr3t')).toEqual(['User added with id 1'])
    expect(await printed('user add login=guest3')).toEqual(['User added with id 2'])
    expect((await printed('user list -q'))[0]).toMatch(/^1 +\| peter/)
    const answers = ['new one', 'new one', 'one', 'another']
    const ask = async (): Promise<string> => answers.shift() ?? ''
    expect(await printed('user passwd user=guest3', { ask })).toEqual(['password of guest3 set'])
    expect((await room.qa('user passwd user=guest3', { ask })).failed).toMatchObject({
      code: 'client.choice',
    })
    expect(await printed(['user', 'del', '-f', 'login=g*'])).toEqual(['1 users deleted.'])
  })

  test('desktops, by numbers and by names, one by one and many at once', async () => {
    expect(await printed('vm add name=GuestVM user_id=1 osf_id=1')).toEqual(['VM added with id 1'])
    const many = await printed('vm add name=Lab user=peter osf=myOSF bulk=3')
    expect(many).toEqual(['VM added with id 2', 'VM added with id 3', 'VM added with id 4'])
    expect(await printed('vm list -q -f name=Lab* --columns=name,user')).toEqual([
      'Lab-1  peter',
      'Lab-2  peter',
      'Lab-3  peter',
    ])
    const { failed } = await room.qa('vm add name=Lab user=peter osf=myOSF bulk=5')
    expect(failed).toMatchObject({ code: 'object.exists' })
    expect(await printed('vm list -q --columns=name')).toHaveLength(4)
    expect((await room.qa('vm add name=x user_id=99 osf_id=1')).failed).toMatchObject({
      code: 'object.unknown',
    })
  })

  test('desktops are edited, started, stopped, blocked and removed by whatever names them', async () => {
    expect(await printed('vm edit di_tag=acrobat_bug_fixed -f vm_id=1')).toEqual(['Edited 1 VMs.'])
    expect(await printed('vm list -q -f di_tag=acrobat* --columns=id')).toEqual(['1'])
    expect(await printed(['vm', 'stop', '-f', 'user=pet*'])).toEqual(['Stopped 4 VMs.'])
    expect(await printed(['vm', 'start', '-f', 'id=1'])).toEqual(['Started 1 VMs.'])
    expect(await printed('vm stop -f osf_id=1')).toEqual(['Stopped 4 VMs.'])
    expect(await printed('vm block -f user_id=1')).toEqual(['Blocked 4 VMs.'])
    expect(await printed(['vm', 'unblock', '-f', 'name=GuestVM'])).toEqual(['vm GuestVM unblocked'])
    expect(await printed('vm unblock -f id>1')).toEqual(['Unblocked 3 VMs.'])
    expect((await room.qa('vm disconnect_user -f id=23')).lines).toEqual(['Disconnected 0 users.'])
    expect((await room.qa('vm disconnect_user -f id=2')).failed).toMatchObject({ code: 'bulk.partial' })
    const [, , , , ...counters] = await printed('vm counters')
    expect(counters).toHaveLength(6)
    expect(await printed('vm del -f id=4')).toEqual(['1 VMs deleted.'])
  })

  test('properties of everything that has some, as the manual prints them', async () => {
    expect(await printed('user propset beverage=beer -F login=peter')).toEqual(['propset in 1 users.'])
    expect(await printed('user propget')).toEqual(['peter\tbeverage=beer'])
    for (const [object, name] of [
      ['host', 'NewNode'],
      ['osf', 'myOSF'],
      ['vm', 'GuestVM'],
    ]) {
      const what = { host: 'hosts', osf: 'OSFs', vm: 'VMs' }[object as 'vm']
      expect(await printed(`${object} propset rack=7 room=b -f name=${name}`)).toEqual([
        `propset in 1 ${what}.`,
      ])
      expect(await printed(`${object} propget rack`)).toEqual([`${name}\track=7`])
      expect(await printed(`${object} list -q -f property.rack=7 --columns=name`)).toEqual([name])
      expect(await printed(`${object} list -q -f property.rack=8 --columns=name`)).toEqual([])
    }
    expect(await printed('vm propset l7r.secret=x -f property.rack=7')).toEqual(['propset in 1 VMs.'])
    const questions: string[] = []
    const confirm = async (question: string): Promise<boolean> => questions.push(question) > 0
    expect(await printed('user propdel beverage', { confirm })).toEqual(['propdel in 1 users.'])
    expect(questions).toEqual(['Are you sure you want to delete the prop in all users? [y/N] '])
    expect(await printed('user propget')).toEqual([])
    expect((await room.qa('user propdel beverage')).failed).toMatchObject({ code: 'client.choice' })
  })

  test('the configuration', async () => {
    expect(await printed('config set wat.admin.login=administrator')).toContain('1 config entries set.')
    expect(await printed('config get wat.admin.login')).toEqual(['wat.admin.login=administrator'])
    expect((await printed('config del wat.admin.login'))[0]).toBe('1 config entries deleted.')
  })
})

describe('a node is not removed', () => {
  const refused = async (): Promise<string> => {
    const { failed } = await room.qa('host del -f name=NewNode')
    expect(failed).toMatchObject({ code: 'bulk.partial' })
    return (failed as Error).message
  }

  test('while a desktop is on it', async () => {
    const hkd = room.database.as('hkd')
    await sql`UPDATE ostler.vm SET host_id = 1 WHERE name = 'GuestVM'`.execute(hkd)
    expect(await refused()).toContain('the desktop GuestVM is on it')
    await sql`UPDATE ostler.vm SET host_id = NULL`.execute(hkd)
  })

  test('while a home lies on it', async () => {
    const hkd = room.database.as('hkd')
    await sql`INSERT INTO ostler.home (user_id, flavour_id, login, tenant, flavour, kind, path, limit_mb, host_id)
      VALUES (1, 1, 'peter', 'default', 'myOSF', 'directory', 'peter-home', 0, 1)`.execute(hkd)
    expect(await refused()).toContain('the home peter-home lies on it')
    await sql`DELETE FROM ostler.home`.execute(hkd)
  })

  test('while its daemon says that it runs, and is removed with all that is only its own once it is silent', async () => {
    const hkd = room.database.as('hkd')
    await sql`UPDATE ostler.host SET state = 'running', seen_at = now() WHERE id = 1`.execute(hkd)
    expect(await refused()).toContain('it is running: end ostler-hkd there first')
    await sql`UPDATE ostler.host SET seen_at = now() - interval '1 hour' WHERE id = 1`.execute(hkd)
    await sql`INSERT INTO ostler.host_counters (host_id) VALUES (1)`.execute(hkd)
    await sql`INSERT INTO ostler.storage_look (host_id, by) VALUES (1, 'x')`.execute(hkd)
    expect(await printed('host del -f name=NewNode')).toEqual(['1 hosts deleted.'])
    const { rows } = await sql`SELECT FROM ostler.host_property`.execute(hkd)
    expect(rows).toEqual([])
    expect((await room.qa('host del -f name=NewNode')).failed).toMatchObject({ code: 'object.unknown' })
  })
})
