import { afterAll, beforeAll, expect, test } from 'vitest'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { get, logLines, type LogLine, UPGRADE } from '../fixtures/door.ts'
import { askProcess, readExposition } from '../fixtures/exposition.ts'
import { PASSWORD, startWorld, until, type World } from '../fixtures/world.ts'

/** One client, and what every process of the node says about her. */
let world: World
let vmId: number

beforeAll(async () => {
  world = await startWorld()
  vmId = await world.addUser('ann')
})
afterAll(async () => await world[Symbol.asyncDispose]())

test('one id names a connection to its client, in the logs of l7r, hkd and agent, and in qa vm explain', async () => {
  using connection = await DoorConnection.open(world)
  const answer = await connection.ask(get(`/qvd/connect_to_vm?id=${vmId}`, 'ann', UPGRADE, PASSWORD))
  expect(answer.status).toBe(101)
  const id = answer.headers.get('X-Ostler-Connection') ?? ''
  expect(id).toMatch(/^[a-z0-9]{12}$/)
  const about = (lines: readonly LogLine[]): string[] =>
    lines.filter((line) => line['connection'] === id).map(({ message }) => message)

  await until('the stream in the log', () =>
    about(logLines(world.node.output('l7r'))).includes('stream opens'),
  )
  expect(about(logLines(world.node.output('l7r')))).toEqual(
    expect.arrayContaining(['seat claimed', 'stream opens', 'request']),
  )
  const hkd = logLines(world.node.output('hkd'))
  expect(about(hkd)).toEqual(expect.arrayContaining(['vm moved', 'agent enrolled', 'agent up']))
  // All moves of this start, and nothing that was before it.
  const moves = hkd.filter(({ message, vm }) => message === 'vm moved' && vm === vmId)
  expect(moves.map(({ to }) => to)).toEqual(['preparing', 'booting', 'running'])
  expect(moves.every((line) => line['connection'] === id)).toBe(true)

  const agent = logLines(await world.inside(vmId, ['cat', '/var/log/ostler/qvd.log']))
  expect(agent.filter((line) => line['connection'] === id)).toContainEqual(
    expect.objectContaining({ message: 'procedure called', procedure: 'x_start' }),
  )
  expect(await world.qa('vm explain -f name=ann')).toContain(id)
})

test('hkd counts the start: its steps, the agent, its desktop by state', async () => {
  const socketPath = `${world.node.settings.folder}/run/hkd.sock`
  const { sum } = readExposition((await askProcess({ socketPath }, '/metrics')).body)
  expect(sum('ostler_hkd_starts_total')).toBe(1)
  for (const step of ['placed', 'prepared', 'booting', 'agent up'])
    expect(sum('ostler_hkd_start_step_seconds_count', { step }), step).toBe(1)
  expect(sum('ostler_hkd_agents_connected')).toBe(1)
  expect(sum('ostler_hkd_desktops', { state: 'running' })).toBe(1)
  expect(sum('ostler_hkd_desktops', { state: 'failed' })).toBe(0)
  expect(sum('ostler_hkd_tick_age_seconds')).toBeLessThan(60)
  expect((await askProcess({ socketPath }, '/status')).status).toBe(404)
})
