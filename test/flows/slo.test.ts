import type { FlavourStartDetail, StartHop } from '@ostler/contract/slo.ts'
import { run } from '@ostler/kit/run.ts'
import { runFolder } from '@ostler/proxy/model/run-folder.ts'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { commandLine, startWorld, until, type World } from '../fixtures/world.ts'

/** Starts that somebody waits for, with a real agent and door, and five seconds more in one hop: that one is blamed. */
const LATE_MS = 5_000
/** Long enough for something to be done while it runs. */
const SHORT_MS = 1_000
/** What hooks do for whom. */
const HOOKS = [
  { key: 'vma.on_provisioning.after_add_user', sleeps: { account: LATE_MS } },
  { key: 'vma.on_action.connect', sleeps: { session: LATE_MS, connection: SHORT_MS } },
] as const

let world: World
let database: NodeDatabase

beforeAll(async () => {
  world = await startWorld()
  database = world.scope.own(new NodeDatabase(world))
  // Who is first has the image unpacked.
  await world.addUser('first')
  await world.qa('vm start -f name=first')
  await world.untilVm('first', 'running')
  const { stdout } = await run('find', [world.node.settings.folder, '-type', 'd', '-name', 'instant-*'])
  const configuration = join(stdout.trim(), 'etc/ostler')
  for (const { key, sleeps } of HOOKS) {
    writeFileSync(join(configuration, key), hook(sleeps), { mode: 0o755 })
    appendFileSync(join(configuration, 'vma.conf'), `${key} = /etc/ostler/${key}\n`)
  }
})
afterAll(async () => await world[Symbol.asyncDispose]())

/** A hook that sleeps for users of these names alone. */
function hook(sleeps: Readonly<Record<string, number>>): string {
  const cases = Object.entries(sleeps).map(
    ([login, ms]) => `case " $* " in *" ${login} "*) exec sleep ${ms / 1_000} ;; esac\n`,
  )
  return `#!/bin/sh\n${cases.join('')}`
}

/** Has a user open her desktop for the first time, which promises to be there within 4 s. @returns what is told of its flavour. */
async function openOnce(
  login: string,
  meanwhile: (desktop: number) => Promise<void>,
): Promise<FlavourStartDetail> {
  await world.qa(`osf add name=${login} memory=256`)
  await world.qa(`di add name=${login} osf=${login} kind=instant`)
  await world.qa(`osf edit -f name=${login} slo_seconds=4`)
  const desktop = await world.addUser(login, login)
  const client = await openRfb(world, login, desktop)
  const [greeting] = await Promise.all([client.greeting, meanwhile(desktop)])
  expect(greeting).toMatch(/^RFB /)
  client.close()
  return JSON.parse(await world.qa(`slo -f name=${login} --json`)) as FlavourStartDetail
}

const nothing = (): Promise<void> => Promise.resolve()

/** Hides the desktop's displays from the door from when its session starts until five seconds after they are there. */
async function hideDisplays(desktop: number): Promise<void> {
  const program = `sleep ${SHORT_MS / 1_000}`
  await until('the hook to run', () =>
    world.processes(desktop).some((pid) => commandLine(pid).includes(program)),
  )
  const { root } = runFolder(join(world.node.settings.folder, 'run'), desktop)
  renameSync(root, `${root}.hidden`)
  try {
    await until('the display to be there', async () => (await stepsOf(desktop)).includes('display ready'))
    await sleep(LATE_MS)
  } finally {
    renameSync(`${root}.hidden`, root)
  }
}

async function stepsOf(desktop: number): Promise<readonly string[]> {
  const rows = await database.db.selectFrom('timeline').select('step').where('vm_id', '=', desktop).execute()
  return rows.map(({ step }) => step)
}

test.each<[StartHop, (desktop: number) => Promise<void>]>([
  ['account', nothing],
  ['session', nothing],
  ['connection', hideDisplays],
])('five seconds more in the hop %s: that one is blamed', async (hop, meanwhile) => {
  const told = await openOnce(hop, meanwhile)
  expect(told).toMatchObject({ starts: 1, late: 1, failed: 0, reached: 0, blamed: hop })
  expect(told.worst).toMatchObject([{ vm: hop, blamed: hop, fault: null }])
  expect(told.worst[0]?.hopMs).toBeGreaterThanOrEqual(LATE_MS - 100)
})
