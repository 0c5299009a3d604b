import { expect, test } from 'vitest'
import { formatAgentAt, parseAgentAt } from './agent-at.ts'

const read = (agentAt: string | null) => parseAgentAt({ id: 7, address: '10.3.15.10', agentAt })

test('a row that says nothing means the address of the desktop and the port of all agents', () => {
  expect(read(null)).toEqual({ host: '10.3.15.10', port: 3030 })
  expect(formatAgentAt(undefined)).toBeNull()
})

test('what is written is read again', () => {
  for (const at of [
    { host: '127.0.0.1', port: 40_001 },
    { socketPath: '/run/ostler/desktops/7/display/agent.sock' },
  ])
    expect(read(formatAgentAt(at))).toEqual(at)
})

test.each(['', 'host', 'host:', ':1', 'host:0', 'host:65536', 'a b:1', '::1:3030', 'host:1 '])(
  '"%s" is no place, and says so',
  (agentAt) => {
    expect(() => read(agentAt)).toThrow(`its row places it at "${agentAt}"`)
  },
)
