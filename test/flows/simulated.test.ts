import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { YardRulesInput } from '../../proxy/src/hypervisor/simulated/script.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** The real hkd over machines that are scripts, in a process of their own. */

const RULES: YardRulesInput = {
  seed: 5,
  scripts: [
    { script: { bootMs: 20, agentMs: 30 } },
    { image: 'stillborn', script: { livesMs: 50, agentMs: null } },
    { image: 'full', script: { prepareFails: 'no space left on device' } },
  ],
}
const DESKTOPS = 30

let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-rules-'))
  const rules = join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify(RULES))
  world = await startWorld({ 'vm.hypervisor': 'simulated', 'vm.simulated.rules': rules })
  await world.qa('osf add name=tiny memory=64')
  await world.qa('di add name=tiny osf=tiny kind=instant')
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface Row {
  readonly name: string
  readonly state: string
  readonly fault: string | null
}
const rows = async (): Promise<Row[]> => (await world.api.get('/v1/desktops')) as Row[]
const crowd = async (): Promise<Row[]> => (await rows()).filter(({ name }) => name.startsWith('crowd'))
const agentsUp = (): number => world.node.output('hkd').split('"message":"agent up"').length - 1

test('a crowd of desktops starts, each with its agent enrolled over a unix socket', async () => {
  for (let number = 0; number < DESKTOPS; number++) {
    await world.addUser(`crowd${number}`, 'tiny')
    await world.qa(`vm start -f name=crowd${number}`)
  }
  await until('all to run', async () => (await crowd()).every(({ state }) => state === 'running'), 60_000)
}, 120_000)

test('hkd is killed again and again: it finds every machine, watches its agent, and starts none anew', async () => {
  const epochs = async (): Promise<string> => JSON.stringify(await timelines())
  const before = await epochs()
  expect(before.split('booting').length).toBeGreaterThan(DESKTOPS)
  for (let round = 0; round < 5; round++) {
    await world.node.crash('hkd')
    await world.node.start('hkd')
    await until('all agents to be watched', () => agentsUp() >= DESKTOPS, 60_000)
  }
  expect((await crowd()).every(({ state }) => state === 'running')).toBe(true)
  expect(await epochs()).toBe(before)
}, 300_000)

/** When each start was made: a machine that was started anew would have another one. */
async function timelines(): Promise<unknown[]> {
  return await Promise.all(
    (await crowd()).map(({ name }) =>
      world
        .qa(`vm explain -f name=${name}`)
        .then((text) => text.split('\n').filter((line) => /booting/.test(line))),
    ),
  )
}

test.each([
  ['stillborn', /ended before its agent answered/],
  ['full', /no space left on device/],
])('a machine that is %s fails its start, and the reason is told', async (kind, reason) => {
  await world.qa(`osf add name=${kind} memory=64`)
  await world.qa(`di add name=${kind} osf=${kind} kind=instant`)
  await world.addUser(kind, kind)
  await world.qa(`vm start -f name=${kind}`)
  await world.untilVm(kind, 'failed')
  expect((await world.vm(kind)).fault).toMatch(reason)
})

test('the crowd stops', async () => {
  for (const { name } of await crowd()) await world.qa(`vm stop -f name=${name}`)
  await until('all to stop', async () => (await crowd()).every(({ state }) => state === 'stopped'), 60_000)
}, 120_000)
