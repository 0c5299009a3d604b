import { run, RunError } from '@ostler/kit/run.ts'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { commandLine, startWorld, type World } from '../fixtures/world.ts'

/** Desktops without root, without a container, without a network: hkd, l7r and the agent are the real ones. */

const PEOPLE = Array.from({ length: 10 }, (_, number) => `person${number}`)
const [ANN, BOB] = ['person0', 'person1']

let world: World
const ids = new Map<string, number>()

beforeAll(async () => {
  world = await startWorld({ 'vm.hypervisor': 'process' })
  for (const login of PEOPLE) ids.set(login, await world.addUser(login))
  await Promise.all(
    PEOPLE.map(async (login) => {
      const client = await openRfb(world, login, ids.get(login) ?? 0)
      expect(await client.greeting).toMatch(/^RFB/)
      client.close()
    }),
  )
}, 300_000)
afterAll(() => world[Symbol.asyncDispose]())

const idOf = (login: string): number => ids.get(login) ?? 0

test('ten people have their desktops at once, each as the user of her own that nobody else is', () => {
  const users = PEOPLE.map((login) => statSync(`/proc/${world.processOf(idOf(login), 'vma.cjs')}`).uid)
  expect(new Set(users).size).toBe(PEOPLE.length)
  for (const uid of users) expect(uid).toBeGreaterThan(2_000_000)
})

test('no process of a desktop is in a group of hkd, which a restart of that would end', () => {
  for (const pid of world.processes(idOf(ANN)))
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toMatch(
      /:(name=systemd|):\/ostler\/|:memory:\/ostler\//,
    )
})

test('nothing in a desktop is root, can become root, or has a capability', () => {
  for (const pid of world.processes(idOf(ANN))) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    if (commandLine(pid).startsWith('bwrap')) continue // it holds the desktop from outside
    expect(/^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1).map(Number)).not.toContain(0)
    expect(status).toMatch(/^CapEff:\s+0+$/m)
    expect(status).toMatch(/^CapBnd:\s+0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
  }
})

/** Runs a program in a desktop as its user, in all of its namespaces. */
async function as(login: string, ...argv: string[]): Promise<{ ok: boolean; said: string }> {
  const pid = world.processOf(idOf(login), 'vma.cjs')
  const uid = String(statSync(`/proc/${pid}`).uid)
  const spaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--setuid', uid, '--setgid', uid]
  try {
    return {
      ok: true,
      said: (await run('nsenter', ['--target', String(pid), ...spaces, '--', ...argv])).stdout,
    }
  } catch (error) {
    if (!(error instanceof RunError)) throw error
    return { ok: false, said: error.stderr }
  }
}

test('her programs know her by her name', async () => {
  expect((await as(ANN, 'id', '-un')).said.trim()).toBe(ANN)
})

test('there is no way out to a network', async () => {
  expect((await as(ANN, 'ip', '-oneline', 'link')).said.match(/^\d+: \w+/gm)).toEqual(['1: lo'])
})

test('a desktop sees its own display, and not that of another, which has the same number', async () => {
  const look = (login: string, cookie: string): Promise<{ ok: boolean; said: string }> =>
    as(login, 'env', 'DISPLAY=:100', `XAUTHORITY=${cookie}`, 'timeout', '10', 'xwininfo', '-root')
  const own = '/run/ostler/session/Xauthority'
  for (const login of [ANN, BOB]) expect((await look(login, own)).ok).toBe(true)
  // Bob's cookie opens his display, and nothing that Ann reaches: neither the socket's file nor the abstract one is his.
  const cookie = readFileSync(`/proc/${world.processOf(idOf(BOB), 'vma.cjs')}/root${own}`).toString('base64')
  for (const login of [ANN, BOB]) await as(login, 'sh', '-c', `echo ${cookie} | base64 -d > /tmp/cookie`)
  expect((await look(BOB, '/tmp/cookie')).ok).toBe(true)
  expect((await look(ANN, '/tmp/cookie')).ok).toBe(false)
})

test('a desktop sees neither the processes, nor the home, nor the agent of another one', async () => {
  const seen = (await as(ANN, 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).said
  expect(seen).toContain('vma.cjs')
  expect(seen).not.toContain(BOB)
  expect((await as(ANN, 'ls', `/home/${BOB}`)).ok).toBe(false)
  const other = join(world.node.settings.folder, 'run/desktops', String(idOf(BOB)), 'display/agent.sock')
  expect(statSync(other).isSocket()).toBe(true)
  expect((await as(ANN, 'test', '-e', other)).ok).toBe(false)
  expect((await as(ANN, 'ls', '/run/ostler/display')).said).not.toContain(BOB)
})

test('what she writes stays in her home, and nowhere else', async () => {
  expect((await as(ANN, 'sh', '-c', `echo mine > /home/${ANN}/kept && echo gone > /etc/gone`)).ok).toBe(true)
  expect((await as(ANN, 'sh', '-c', 'echo no > /usr/no')).ok).toBe(false)
  expect((await as(ANN, 'sh', '-c', 'echo no > /no')).ok).toBe(false)
  expect(readFileSync(join(world.home(ANN), 'kept'), 'utf8')).toBe('mine\n')
  await world.qa(`vm stop -f name=${ANN}`)
  await world.untilVm(ANN, 'stopped')
  const client = await openRfb(world, ANN, idOf(ANN))
  expect(await client.greeting).toMatch(/^RFB/)
  client.close()
  expect((await as(ANN, 'cat', `/home/${ANN}/kept`)).said).toBe('mine\n')
  expect((await as(ANN, 'test', '-e', '/etc/gone')).ok).toBe(false)
})

test('a killed hkd finds its desktops again, and nobody notices', async () => {
  const before = world.processOf(idOf(BOB), 'xterm')
  await world.node.crash('hkd')
  await world.node.start('hkd')
  const client = await openRfb(world, BOB, idOf(BOB))
  expect(await client.greeting).toMatch(/^RFB/)
  client.close()
  expect(world.processOf(idOf(BOB), 'xterm')).toBe(before)
})
