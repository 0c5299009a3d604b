import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, UPGRADE } from '../fixtures/door.ts'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { PASSWORD } from '../fixtures/world.ts'

/** A door that does not wait long for a start, and is told nothing of tokens. */

let hasty: DoorRoom
beforeAll(async () => {
  hasty = await DoorRoom.open({ 'internal.l7r.timeout.vm_start': '2' })
  await hasty.addUsers(['ann'], PASSWORD)
})
afterAll(async () => await hasty[Symbol.asyncDispose]())

test.each([
  [1, "VM didn't reach state 'running'. Timeout"],
  [0, 'the start of the desktop has waited 2 s and has not begun: it stood at position 1'],
])(
  'a start that takes too long is a 503 with the reason, and no longer wished (free places: %i)',
  async (free, reason) => {
    await hasty.db.updateTable('host').set({ starting_max: 1 }).execute()
    const [{ id }, { id: other }] = [
      await hasty.addDesktop('ann', `slow${free}`),
      await hasty.addDesktop('ann', `other${free}`),
    ]
    const host = await hasty.db.selectFrom('host').select('id').executeTakeFirstOrThrow()
    const booting = { prior: 'booting', state: 'booting', host_id: host.id } as const
    const stopped = { prior: 'stopped', state: 'stopped', host_id: null } as const
    await hasty.db.updateTable('vm').set(stopped).execute()
    if (free === 0) await hasty.db.updateTable('vm').set(booting).where('id', '=', other).execute()
    const { status, body } = await askDoor(hasty, get(`/qvd/connect_to_vm?id=${id}`, 'ann', UPGRADE))
    // Behind QVD's words stands what an administrator finds the failure by, where there is more to know.
    expect([status, body.replace(/ \(reference [a-z0-9]{12}\)/, '')]).toEqual([
      503,
      `The requested virtual machine is not available: ${reason}, retry later.\r\n`,
    ])
    const wish = await hasty.db
      .selectFrom('wish')
      .select('outcome')
      .where('vm_id', '=', id)
      .executeTakeFirst()
    expect(wish?.outcome).toBe('withdrawn')
  },
)

test('C-47: a desktop gets no token unless the node is told to give one', async () => {
  const { id, guest } = await hasty.addDesktop('ann', 'plain')
  using connection = await DoorConnection.open(hasty)
  await connection.ask(get(`/qvd/connect_to_vm?id=${id}`, 'ann', UPGRADE))
  expect(guest.starts).toMatchObject([{ parameters: { host_address: '127.0.0.1' } }])
  expect(guest.starts[0]).not.toHaveProperty(['parameters', 'auth_token'])
})
