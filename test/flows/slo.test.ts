import type { FlavourStartDetail, StartHop } from '@ostler/contract/slo.ts'
import { run } from '@ostler/kit/run.ts'
import { sql } from 'kysely'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRfb } from '../fixtures/door.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'

/** Starts that somebody waits for, with a real agent and door, and five seconds more in one hop: that one is blamed. */
const LATE_MS = 5_000
/** Sleeps for the user of this name alone. */
const slowFor = (login: string): string => `#!/bin/sh
case " $* " in *" ${login} "*) exec sleep ${LATE_MS / 1_000} ;; esac
`
const HOOKS = {
  account: 'vma.on_provisioning.after_add_user',
  session: 'vma.on_action.connect',
} as const

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
  for (const [hop, key] of Object.entries(HOOKS)) {
    writeFileSync(join(configuration, `slow-${hop}`), slowFor(hop), { mode: 0o755 })
    appendFileSync(join(configuration, 'vma.conf'), `${key} = /etc/ostler/slow-${hop}\n`)
  }
})
afterAll(async () => await world[Symbol.asyncDispose]())

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

/** Keeps the door from writing that the user is there. */
async function holdSeat(desktop: number): Promise<void> {
  await until('the seat to be asked for', async () => {
    const { rows } =
      await sql`SELECT FROM ostler.seat WHERE vm_id = ${desktop} AND state = 'connecting'`.execute(
        database.db,
      )
    return rows.length === 1
  })
  await database.db.transaction().execute(async (held) => {
    await sql`SELECT FROM ostler.seat WHERE vm_id = ${desktop} FOR UPDATE`.execute(held)
    const isShown = ({ rows }: { rows: unknown[] }): boolean => rows.length === 1
    await until('the display to take a client', async () =>
      isShown(
        await sql`SELECT FROM ostler.timeline WHERE vm_id = ${desktop} AND step = 'display ready'`.execute(
          database.db,
        ),
      ),
    )
    await sleep(LATE_MS)
  })
}

test.each<[StartHop, (desktop: number) => Promise<void>]>([
  ['account', nothing],
  ['session', nothing],
  ['connection', holdSeat],
])('five seconds more in the hop %s: that one is blamed', async (hop, meanwhile) => {
  const told = await openOnce(hop, meanwhile)
  expect(told).toMatchObject({ starts: 1, late: 1, failed: 0, reached: 0, blamed: hop })
  expect(told.worst).toMatchObject([{ vm: hop, blamed: hop, fault: null }])
  expect(told.worst[0]?.hopMs).toBeGreaterThanOrEqual(LATE_MS - 100)
})
