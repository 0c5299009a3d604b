import { expect, test } from 'vitest'
import { takeGivenSocket } from './given-socket.ts'

test('one socket for this process is taken, and nothing is left for children', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'door', PATH: '/bin' }
  expect(takeGivenSocket(env, 7)).toBe(3)
  expect(env).toEqual({ PATH: '/bin' })
})

test.each([
  ['none was given', {}],
  ['they are for another process', { LISTEN_PID: '8', LISTEN_FDS: '1' }],
  ['nobody is named', { LISTEN_FDS: '1' }],
])('nothing is taken where %s', (_, env: NodeJS.ProcessEnv) => {
  expect(takeGivenSocket(env, 7)).toBeUndefined()
  expect(env).toEqual({})
})

test.each(['0', '2', '', 'one'])('%j sockets are refused', (count) => {
  expect(() => takeGivenSocket({ LISTEN_PID: '7', LISTEN_FDS: count }, 7)).toThrow('takes one socket')
})
