import { expect, test } from 'vitest'
import { runDoor } from './gate/real-door.ts'
import { runSplices } from './gate/splices.ts'

/** 1,000,000 of them: `npm run faults -- 1000000`. */
const SEED = 20261121
const SPLICES = 17_500
const CONNECTIONS = 2_500
/** A stream that stayed would be more: 30 KB and up. */
const KB_PER_STREAM = 16
/** The heap of a door grows for its first 3,000 connections and is flat then; a session that stayed is 60 KB and up. */
const KB_PER_CONNECTION = 60

test('streams whose either side goes wrong at any byte end, and leave nothing', async () => {
  const gate = await runSplices(SPLICES, SEED)
  console.info(
    `seed ${SEED}: ${gate.cases} streams ended by ${JSON.stringify(gate.ends)}; memory ${gate.slope.told()}`,
  )
  expect(gate.descriptorsLeft).toBeLessThanOrEqual(0)
  expect(gate.slope.kbPerConnection).toBeLessThan(KB_PER_STREAM)
}, 900_000)

test('the door outlives clients and displays that go wrong at any byte', async () => {
  const gate = await runDoor(CONNECTIONS, SEED)
  console.info(`seed ${SEED}: ${gate.connections} connections; memory of the door ${gate.slope.told()}`)
  expect(gate).toMatchObject({ alive: true, answersPing: true, seatsTaken: 0, unforeseen: [] })
  expect(gate.descriptorsLeft).toBe(0)
  expect(gate.slope.kbPerConnection).toBeLessThan(KB_PER_CONNECTION)
}, 900_000)
