import { Scope } from '@ostler/kit/scope.ts'
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { run } from '@ostler/kit/run.ts'
import { ClientProgram } from '../fixtures/client-program.ts'
import { SeatRoom, type RoomDesktop } from '../fixtures/seat-room.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** The commands of the users' client against a real door on a real database. */

const scope = new Scope()
let seats: SeatRoom
let desktop: RoomDesktop
let program: ClientProgram
let at: string[]

beforeAll(async () => {
  seats = scope.own(await SeatRoom.open())
  desktop = await seats.newDesktop()
})
afterAll(async () => await scope.close())
beforeEach(() => {
  program = new ClientProgram()
  const { port } = seats.doors[0]
  at = ['127.0.0.1', '-p', String(port), '-u', 'ann', '--password-fd', '0', '--accept-new-certificate']
})
afterEach(() => program[Symbol.dispose]())

const state = async (
  id: number,
  to: 'stopping' | 'stopped' | 'running',
  prior: 'running' | 'stopping' | 'booting',
) => {
  await seats.room.db.updateTable('vm').set({ prior, state: to }).where('id', '=', id).execute()
}

describe('list', () => {
  test('everything may come from the configuration and the environment', async () => {
    mkdirSync(join(program.home, '.qvd'), { recursive: true })
    const conf = `client.host.name = 127.0.0.1\nclient.host.port = ${seats.doors[0].port}\nclient.user.name = ann\n`
    writeFileSync(join(program.home, '.qvd/client.conf'), conf)
    const env = { QVDPASSWORD: PASSWORD, QVDSSLERRORS: 'continue' }
    const { code, out, said } = await program.run(['list'], { env })
    expect([code, out, said]).toEqual([0, `   ${desktop.id}  running    ${desktop.name}\n`, ''])
  })

  test('a name that was believed is remembered, with the right to read it for nobody else', async () => {
    expect((await program.run(['list', ...at], { input: PASSWORD })).code).toBe(0)
    const file = join(program.home, '.config/ostler/known-users')
    expect(readFileSync(file, 'utf8')).toBe(`127.0.0.1:${seats.doors[0].port} ann\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const nameless = at.filter((word) => word !== '-u' && word !== 'ann')
    expect((await program.run(['list', ...nameless], { input: PASSWORD })).out).toContain(desktop.name)
  })

  test('a refusal is told in the words of the server, with its code', async () => {
    const { code, said } = await program.run(['list', ...at], { input: 'wrong' })
    expect([code, said]).toEqual([
      77,
      'the user name or the password is wrong. Sign in again. [auth.required]\n',
    ])
  })

  test('the server that is forced is the only one', async () => {
    const conf = join(program.home, 'forced.conf')
    writeFileSync(conf, 'client.force.host.name = elsewhere.example\n')
    const { code, said } = await program.run(['list', ...at, '--config', conf], { input: PASSWORD })
    expect(code).toBe(77)
    expect(said).toContain('this machine may use elsewhere.example only, not 127.0.0.1')
  })

  test('variables that are shared reach the server under the names that QVD gives them', async () => {
    const conf = join(program.home, 'shared.conf')
    writeFileSync(conf, 'client.auth_env_share.enable = 1\nclient.auth_env_share.list.0 = MYCITY\n')
    const heard = await hearRequest(async (port) => {
      const words = [
        'list',
        '127.0.0.1',
        '-p',
        String(port),
        '-u',
        'ann',
        '--password-fd',
        '0',
        '--no-tls',
        '--config',
        conf,
      ]
      await program.run(words, { input: PASSWORD, env: { MYCITY: 'Köln' } })
    })
    expect(heard).toContain(
      `Auth-${Buffer.from('MYCITY').toString('hex')}: ${Buffer.from('Köln').toString('base64')}`,
    )
  })
})

describe('certificates', () => {
  test('without a word a new one is refused, and with one where the configuration forbids to trust it', async () => {
    const trusting = at.filter((word) => word !== '--accept-new-certificate')
    const { code, said } = await program.run(['list', ...trusting], { input: PASSWORD })
    expect([code, said]).toEqual([76, expect.stringContaining('[client.unconfirmed]')])
    const barred = join(program.home, 'barred.conf')
    writeFileSync(barred, 'client.ssl.allow_untrusted = 0\n')
    const refused = await program.run(['list', ...at, '--config', barred], { input: PASSWORD })
    expect([refused.code, refused.said]).toEqual([76, expect.stringContaining('client.ssl.allow_untrusted')])
    const aborting = await program.run(['list', ...trusting], {
      input: PASSWORD,
      env: { QVDSSLERRORS: 'abort' },
    })
    expect([aborting.code, aborting.said]).toEqual([76, expect.stringContaining('[client.barred]')])
  })
})

describe('stop', () => {
  test('a desktop is stopped, and what goes on is told', async () => {
    const other = await seats.newDesktop()
    const stopping = program.run(['stop', ...at, '-d', other.name], { input: PASSWORD })
    await until('the wish', async () => (await wishesFor(other.id)) > 0, 30_000)
    await state(other.id, 'stopping', 'running')
    await state(other.id, 'stopped', 'stopping')
    await seats.room.db.deleteFrom('wish').where('vm_id', '=', other.id).execute()
    const { code, said } = await stopping
    expect(code, said).toBe(0)
    expect(said).toMatch(new RegExp(`Stopping virtual machine\\n(.*\\n)*${other.name} has stopped\\.\\n$`))
    const again = await program.run(['stop', ...at, '-d', other.name], { input: PASSWORD })
    expect([again.code, again.said]).toEqual([0, `${other.name} does not run.\n`])
  }, 90_000)
})

describe('doctor', () => {
  const doctor = (...words: string[]) =>
    program.run(['doctor', ...at, '-d', desktop.name, ...words], { input: PASSWORD })

  test('everything from the name to the display is looked at, hop by hop', async () => {
    const { code, out, said } = await doctor('--start')
    expect(out).toMatch(/^ok {6}name +127\.0\.0\.1 is 127\.0\.0\.1$/m)
    expect(out).toMatch(/^ok {6}TCP +127\.0\.0\.1:\d+ in \d+ ms$/m)
    expect(out).toMatch(/^ok {6}TLS +TLSv1\.3, .+, valid until .+, pinned here \([0-9A-F:]{95}\)/m)
    expect(out).toMatch(/^ok {6}HTTP +I am alive!$/m)
    expect(out).toMatch(new RegExp(`^ok {6}sign-in +your desktops: .*${desktop.name}`, 'm'))
    expect(out).toMatch(new RegExp(`^ok {6}desktop +${desktop.name} is running$`, 'm'))
    expect(out).toMatch(/^ok {6}display +nx opens in \d+ ms$/m)
    expect(out).toMatch(/^ok {6}nxproxy +\/.*nxproxy$/m)
    // This machine has no screen.
    expect(out).toMatch(/^FAILED {2}screen .*\[client\.noDisplay\]\n +Start ostler in a graphical session/m)
    expect([code, said]).toEqual([69, expect.stringContaining('1 of 10 checks failed')])
  })

  test('who says no password is told what was not checked, and a desktop in use is left alone', async () => {
    const nameless = ['doctor', '127.0.0.1', '-p', String(seats.doors[0].port), '--accept-new-certificate']
    const { out } = await program.run(nameless)
    expect(out).toMatch(
      /^– {7}sign-in +not checked: who are you there\? \(Name one of: --user NAME, --pair\)$/m,
    )
    expect((await doctor()).out).toMatch(
      /^– {7}display +not checked: it starts the desktop and cuts whoever sits there/m,
    )
  })

  test.each([
    [
      'a name that is none',
      ['doctor', 'nowhere.invalid'],
      /^FAILED {2}name .*nowhere\.invalid:8443 cannot be reached/m,
    ],
    ['a port where nobody is', ['doctor', '127.0.0.1', '-p', '1'], /^FAILED {2}TCP .*ECONNREFUSED/m],
    [
      'a program that is missing',
      ['doctor', '127.0.0.1', '-p', '1', '--nxproxy', '/nowhere/nxproxy'],
      /^FAILED {2}nxproxy .*there is no \/nowhere\/nxproxy/m,
    ],
  ])('%s is named, and what depends on it is not blamed', async (_, words, failure) => {
    const { code, out } = await program.run(words)
    expect(out).toMatch(failure)
    expect(out).toMatch(/^– {7}HTTP +not checked: \w+ failed$/m)
    expect(code).toBe(69)
  })

  test('a wrong password, a new certificate and a desktop that she does not have', async () => {
    const wrong = await program.run(['doctor', ...at], { input: 'wrong' })
    expect(wrong.out).toMatch(/^FAILED {2}sign-in .*\[auth\.required\]$/m)
    const strange = await program.run(['doctor', ...at, '-d', 'nothing'], { input: PASSWORD })
    expect(strange.out).toMatch(/^FAILED {2}sign-in .*you have no desktop nothing/m)
    using other = new ClientProgram()
    const unknown = await other.run(['doctor', ...at.filter((word) => word !== '--accept-new-certificate')])
    expect(unknown.out).toMatch(/^FAILED {2}TLS .*\[client\.unconfirmed\]$/m)
  })
})

describe('settings', () => {
  /** A page that is open, and the client that serves it. */
  async function open(): Promise<{ address: URL; cookie: string; ended: Promise<number | null> }> {
    const client = join(import.meta.dirname, '../../client/src/bin/ostler.ts')
    const child = spawn('node', [client, 'settings'], {
      env: { PATH: process.env['PATH'], HOME: program.home },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    scope.defer(async () => {
      if (child.exitCode === null && child.kill('SIGTERM')) await ended
    })
    await until('the address', () => /token=\S+/.test(said), 30_000)
    const address = new URL(/http:\S+/.exec(said)?.[0] ?? '')
    const first = await fetch(address, { redirect: 'manual' })
    expect(first.status).toBe(303)
    return { address, cookie: (first.headers.get('set-cookie') ?? '').split(';')[0] ?? '', ended }
  }
  const post = (address: URL, cookie: string, form: Record<string, string>, origin = address.origin) =>
    fetch(new URL('/', address), {
      method: 'POST',
      headers: { Cookie: cookie, Origin: origin },
      body: new URLSearchParams(form),
    })

  test('what is changed on the page stands in the file, and the rest of the file stays', async () => {
    const file = join(program.home, '.config/ostler/client.conf')
    mkdirSync(join(program.home, '.config/ostler'), { recursive: true })
    writeFileSync(file, '# mine\nclient.link = wan\nclient.viewer = spicy\n')
    const { address, cookie, ended } = await open()
    const page = await fetch(new URL('/', address), { headers: { Cookie: cookie } })
    expect(await page.text()).toContain('value="wan"')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    const wrong = await post(address, cookie, { act: 'save', 'client.link': 'a b' })
    expect(await wrong.text()).toMatch(/role="alert">.*client\.link is no link/)
    expect(readFileSync(file, 'utf8')).toContain('client.link = wan')
    const form = {
      act: 'save',
      'client.link': 'lan',
      'client.host.name': 'a<b>.example',
      'client.fullscreen': '1',
    }
    const saved = await post(address, cookie, { ...form, 'client.remember_username': '1' })
    expect(await saved.text()).toContain('value="a&lt;b&gt;.example"')
    expect(readFileSync(file, 'utf8')).toBe(
      '# mine\nclient.link = lan\nclient.viewer = spicy\nclient.host.name = a<b>.example\nclient.fullscreen = 1\n',
    )
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await post(address, cookie, { act: 'close' })).status).toBe(200)
    expect(await ended).toBe(0)
  })

  test('the token is good once, and a page, a name or a user from elsewhere gets nothing', async () => {
    const { address, cookie, ended } = await open()
    expect((await fetch(address, { redirect: 'manual' })).status).toBe(403)
    expect((await fetch(new URL('/', address))).status).toBe(403)
    expect((await post(address, cookie, { act: 'close' }, 'http://evil.example')).status).toBe(403)
    const curl = (...words: string[]) =>
      run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...words, address.origin]).then(
        ({ stdout }) => stdout,
        () => 'none',
      )
    expect(await curl('-H', 'Host: rebound.example', '-H', `Cookie: ${cookie}`)).toBe('421')
    const stranger = await run('setpriv', [
      '--reuid=nobody',
      '--clear-groups',
      'curl',
      '-s',
      address.origin,
    ]).then(
      () => 'answered',
      () => 'refused',
    )
    expect(stranger).toBe('refused')
    expect((await post(address, cookie, { act: 'close' })).status).toBe(200)
    expect(await ended).toBe(0)
  })

  test('where they are hidden there are none', async () => {
    const conf = join(program.home, 'hidden.conf')
    appendFileSync(conf, 'client.show.settings = 0\n')
    const { code, said } = await program.run(['settings', '--config', conf])
    expect([code, said]).toEqual([77, expect.stringContaining('client.show.settings is 0')])
  })
})

test.each(['connect', 'list', 'stop', 'settings', 'kiosk', 'doctor', 'completion', 'manual', 'version'])(
  '%s has a help of its own',
  async (command) => {
    const { code, out } = await program.run([command, '--help'])
    expect([code, out]).toEqual([0, expect.stringContaining(`Usage: ostler ${command}`)])
  },
)

async function wishesFor(id: number): Promise<number> {
  return (await seats.room.db.selectFrom('wish').select('number').where('vm_id', '=', id).execute()).length
}

/** What a client sends first to a server that answers nothing of use. */
async function hearRequest(ask: (port: number) => Promise<unknown>): Promise<string> {
  let heard = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  try {
    await ask(typeof address === 'object' ? (address?.port ?? 0) : 0)
  } finally {
    server.close()
  }
  return heard
}
