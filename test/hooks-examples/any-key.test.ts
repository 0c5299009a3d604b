import { chmodSync, chownSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOOKS, install, onAction, onProvisioning, onState, sessionOf } from '../fixtures/hook-call.ts'
import { SealedRoom } from '../fixtures/sealed-room.ts'

let room: SealedRoom

beforeEach(async () => {
  room = await SealedRoom.open()
})

afterEach(async () => {
  await room[Symbol.asyncDispose]()
})

describe('session-log', () => {
  /** A real syslog daemon, which shows priorities. */
  async function startSyslog(): Promise<void> {
    const rules = [
      'module(load="imuxsock" SysSock.Name="/dev/log")',
      'template(name="plain" type="string" string="%syslogpriority-text% %syslogfacility-text% %syslogtag%%msg%\\n")',
      '*.* action(type="omfile" file="/run/syslog" template="plain")',
    ]
    writeFileSync(room.path('/etc/room-syslog.conf'), rules.join('\n'))
    room.start('root', 'rsyslogd', ['-n', '-f', '/etc/room-syslog.conf', '-i', '/run/syslog.pid'])
    await room.until('syslog', () => room.shell('logger ready; grep ready /run/syslog'))
  }
  const written = () =>
    room
      .read('/run/syslog')
      .split('\n')
      .filter((line) => line.includes('ostler-session'))
  const untilWritten = (text: string) => room.until(text, () => written().some((line) => line.includes(text)))

  test('writes a line for every kind of event', async () => {
    await startSyslog()
    const session = sessionOf('ann')
    expect(await onAction(room, 'session-log', 'pre_connect', session)).toEqual({ code: 0, said: '' })
    expect(await onProvisioning(room, 'session-log', 'add_user', session)).toEqual({ code: 0, said: '' })
    expect(await onState(room, 'session-log', 'connected', session)).toEqual({ code: 0, said: '' })
    const extra = { 'vm.expiration.soft': '2026-11-21T18:00:00Z' }
    expect(await onAction(room, 'session-log', 'expire', session, { extra })).toEqual({ code: 0, said: '' })
    await untilWritten('expire')
    const start = 'info authpriv ostler-session: '
    const who = 'os="linux" host="laptop"'
    expect(written()).toEqual([
      `${start}event="pre_connect" user="ann" state="stopped" ${who}`,
      `${start}event="add_user" user="ann" ${who}`,
      `${start}event="connected" user="ann" ${who}`,
      `${start}event="expire" user="ann" state="stopped" ${who} soft="2026-11-21T18:00:00Z"`,
    ])
  })

  test('no client can write a line of its own', async () => {
    await startSyslog()
    const host = `x" user="root\nevent="connected" ${'a'.repeat(500)}`
    await onAction(room, 'session-log', 'connect', sessionOf('ann', { 'qvd.client.hostname': host }))
    await untilWritten('connect')
    expect(written()).toHaveLength(1)
    expect(written()[0]).toMatch(/ host="x user=root\?event=connected a{100,180}"$/)
  })

  test('without syslog nobody is kept from her desktop', async () => {
    await room.shell('rm -f /dev/log')
    const { code, said } = await onAction(room, 'session-log', 'connect', sessionOf('ann'))
    expect(code).toBe(0)
    expect(said).toMatch(/not written to syslog: event="connect" user="ann"/)
  })
})

describe('run-all', () => {
  const FOLDER = `${HOOKS}/run-all.d`
  const runAll = () => onAction(room, 'run-all', 'connect', sessionOf('ann'))
  /** A small hook that notes its name and its arguments. */
  function add(name: string, lines = ''): string {
    const path = room.path(`${FOLDER}/${name}`)
    writeFileSync(path, `#!/bin/sh\necho "\${0##*/} $# $*" >>/run/notes\n${lines}`)
    chmodSync(path, 0o755)
    return path
  }
  const notes = () => room.shell('cut -d" " -f1 /run/notes 2>/dev/null | tr "\\n" " "')

  beforeEach(async () => {
    await room.shell(`mkdir -p ${FOLDER}`)
  })

  test('runs all in the order of their names, with all arguments', async () => {
    for (const name of ['30-third', '10-first', '20-second']) add(name)
    expect(await runAll()).toMatchObject({ code: 0 })
    expect(await notes()).toBe('10-first 20-second 30-third')
    expect(room.read('/run/notes')).toMatch(
      /^10-first 14 qvd\.vm\.user\.name ann .* qvd\.hook\.on_action connect\n/,
    )
  })

  test('runs another example out of its folder', async () => {
    install(room, 'office-hours', 'run-all.d/10-hours')
    const closed = await onAction(room, 'run-all', 'pre_connect', sessionOf('ann', { hours: 'never' }))
    expect(closed.said).toMatch('cannot be read')
    expect(closed.code).toBe(1)
    expect(await onAction(room, 'run-all', 'pre_connect', sessionOf('ann'))).toEqual({ code: 0, said: '' })
  })

  test('stops at the first that fails, with its code and its words last', async () => {
    add('10-first', 'echo "No disk." >&2; exit 7')
    add('20-second')
    expect(await runAll()).toEqual({ code: 7, said: 'No disk.\n' })
    expect(await notes()).toBe('10-first')
  })

  test('an empty folder, none at all, and left-overs are nothing to run', async () => {
    expect(await runAll()).toEqual({ code: 0, said: '' })
    add('10-first~')
    add('10-first.dpkg-old')
    expect(await runAll()).toEqual({ code: 0, said: '' })
    await room.shell(`rm -r ${FOLDER}`)
    expect(await runAll()).toEqual({ code: 0, said: '' })
  })

  test.each([
    ['of a user', (path: string) => chownSync(path, 4242, 0)],
    ['that its group can write', (path: string) => chmodSync(path, 0o775)],
    ['that anybody can write', (path: string) => chmodSync(path, 0o757)],
  ])('does not run a hook %s', async (_, spoil) => {
    spoil(add('10-first'))
    const { code, said } = await runAll()
    expect(said).toMatch('does not belong to root alone')
    expect(code).toBe(1)
    expect(await notes()).toBe('')
  })

  test('looks at what a link leads to', async () => {
    await room.shell('printf "#!/bin/sh\\necho x >>/run/notes\\n" >/tmp/theirs; chmod 777 /tmp/theirs')
    symlinkSync('/tmp/theirs', room.path(`${FOLDER}/10-first`))
    expect(await runAll()).toMatchObject({ code: 1 })
    expect(await notes()).toBe('')
  })
})
