import { afterAll, beforeAll, expect, test } from 'vitest'
import { DoorRoom, type RoomNode } from '../fixtures/door-room.ts'
import { greet, KINDS } from '../fixtures/seat-room.ts'
import { openViewer, type Pass, passOf } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** Desktops of one node seen through the door of another. */
let room: DoorRoom
let far: RoomNode
let pass: Pass

beforeAll(async () => {
  room = await DoorRoom.open()
  far = await room.openNode('n2')
  await room.addUsers(['ann'], PASSWORD)
  pass = await passOf(room.door, 'ann')
})
afterAll(() => room[Symbol.asyncDispose]())

test.each(KINDS)('%s shows a desktop of another node', async (kind) => {
  const { id } = await room.addDesktop('ann', `first ${kind}`, { display: greet })
  const viewer = openViewer(kind, far, pass, id)
  const shown = await viewer.shown
  if (shown === undefined) console.log(await viewer.ended, far.log().slice(-5), room.door.log().slice(-5))
  expect(shown).toBeDefined()
  viewer.send('over there')
  await until('an echo', () => viewer.seen().includes('over there'))
  await viewer.leave()
})
