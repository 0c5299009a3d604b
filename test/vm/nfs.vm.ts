import { expect } from 'vitest'
import type { Guest, Outcome } from './guest.ts'
import { test } from './guest-test.ts'
import { PROJECT } from './recipe.ts'

const HOME = '/home/bob'
/** Longer than a hook may take to give up by itself. */
const HOOK_MS = 150_000

/** What the agent runs at this point of a connect, with what it passes on. */
function mountHome(guest: Guest, server: string): Promise<Outcome> {
  const facts = {
    'qvd.vm.user.name': 'bob',
    'qvd.vm.user.home': HOME,
    'nfs.home': server,
    'qvd.hook.on_provisioning': 'mount_home',
  }
  const hook = `${PROJECT.path}/hooks-examples/mount-home-nfs`
  return guest.run([hook, ...Object.entries(facts).flat()], { timeoutMs: HOOK_MS })
}

function typeOfHome(guest: Guest): Promise<string> {
  return guest.must(['findmnt', '--noheadings', '--output=FSTYPE', `--target=${HOME}`])
}

async function nfsMounts(guest: Guest): Promise<string[]> {
  const { stdout } = await guest.run([
    'findmnt',
    '--noheadings',
    '--list',
    '--output=TARGET',
    '--types=nfs,nfs4',
  ])
  return stdout.split('\n').filter((line) => line !== '')
}

test.beforeAll(async ({ guest }) => {
  await guest.must(['useradd', '--uid=2001', '--no-create-home', `--home-dir=${HOME}`, 'bob'])
  await guest.must(['install', '-d', '-o', 'bob', '-g', 'bob', '-m', '700', '/srv/homes/bob'])
  await guest.must(['tee', '/srv/homes/bob/greeting'], { input: 'from the server\n' })
  await guest.must(['exportfs', '-o', 'rw,no_root_squash,no_subtree_check', '127.0.0.1:/srv/homes'])
  // A server that never answers: packets to it leave by a card that is none.
  await guest.must(['ip', 'link', 'add', 'nowhere', 'type', 'dummy'])
  await guest.must(['ip', 'address', 'add', '192.0.2.2/24', 'dev', 'nowhere'])
  await guest.must(['ip', 'link', 'set', 'nowhere', 'up'])
})

test.afterAll(async ({ guest }) => {
  for (const target of await nfsMounts(guest)) await guest.must(['umount', target])
  await guest.must(['exportfs', '-u', '127.0.0.1:/srv/homes'])
  await guest.must(['ip', 'link', 'delete', 'nowhere'])
  await guest.must(['userdel', 'bob'])
})

test('a server that does not export the folder fails the hook with a sentence', async ({ guest }) => {
  const { code, stdout, stderr } = await mountHome(guest, '127.0.0.1:/srv/elsewhere')
  expect(code).not.toBe(0)
  expect(stdout + stderr).toContain('127.0.0.1:/srv/elsewhere')
  expect(await nfsMounts(guest)).toEqual([])
})

test('a server that never answers fails the hook in a time of its own', async ({ guest }) => {
  const { code, stdout, stderr } = await mountHome(guest, '192.0.2.1:/srv/homes')
  expect(code).not.toBe(0)
  expect(stdout + stderr).toContain('192.0.2.1:/srv/homes')
  expect(await nfsMounts(guest)).toEqual([])
})

test('the hook puts the home on the server, where it is the person’s', async ({ guest }) => {
  expect(await mountHome(guest, '127.0.0.1:/srv/homes')).toMatchObject({ code: 0 })
  expect(await typeOfHome(guest)).toBe('nfs4')
  const asBob = ['setpriv', '--reuid=bob', '--regid=bob', '--clear-groups']
  expect(await guest.must([...asBob, 'cat', `${HOME}/greeting`])).toBe('from the server')
  await guest.must([...asBob, 'tee', `${HOME}/answer`], { input: 'from the desktop\n' })
  expect(await guest.must(['cat', '/srv/homes/bob/answer'])).toBe('from the desktop')
})

test('run again, the hook finds its mount and adds none', async ({ guest }) => {
  const before = await nfsMounts(guest)
  expect(before).toHaveLength(1)
  expect(await mountHome(guest, '127.0.0.1:/srv/homes')).toMatchObject({ code: 0 })
  expect(await nfsMounts(guest)).toEqual(before)
})
