import { mayFollow } from '@ostler/contract/session.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readLogLine, readPidLine } from './nxagent-log.ts'

const AT = "at 'Sat Nov 21 05:46:02 2026'."

test.each([
  [`Session: Starting session ${AT}`, 'starting'],
  ["Info: Waiting for connection from any host on socket 'tcp:*:4100'.", 'listening'],
  ["Info: Waiting for connection from '127.0.0.1' on socket 'tcp:localhost:4105'.", 'listening'],
  ["Info: Waiting for connection from this host on socket 'unix:/run/ostler/display/nx.sock'.", 'listening'],
  [`Session: Session started ${AT}`, 'connected'],
  [`Session: Suspending session ${AT}`, 'suspending'],
  [`Session: Session suspended ${AT}`, 'suspended'],
  [`Session: Resuming session ${AT}`, 'starting'],
  [`Session: Session resumed ${AT}`, 'connected'],
  [`Session: Terminating session ${AT}`, 'stopping'],
  [`Session: Session terminated ${AT}`, 'stopped'],
  [`Session: Aborting session ${AT}`, 'stopping'],
  [`Session: Session aborted ${AT}`, 'stopped'],
])('%s means %s', (line, state) => {
  expect(readLogLine(line)).toEqual({ state })
})

test('the process tells its number', () => {
  expect(readPidLine("Info: Agent running with pid '20737'.")).toBe(20737)
})

test.each([
  '',
  "Info: Accepted connection from '127.0.0.1'.",
  'Info: Connection with remote proxy completed.',
  "Info: Listening to slave connections on port 'tcp:localhost:11100'.",
  "Info: Listening to multimedia connections on port 'tcp:localhost:7100'.",
  "Info: Listening to CUPS connections on port 'tcp:localhost:2100'.",
  'Info: Screen [0] resized to geometry [1024x700] fullscreen [0].',
  'Info: Waiting the cleanup timeout to complete.',
  'Error: Failure reading from the peer proxy.',
  `Session: Display failure detected ${AT}`,
  "Info: Aborting the procedure due to signal '1'.",
  "Error: Aborting session with 'Unable to open display 'nx/nx,x=1''.",
  "Authentication cookie 'ffff' doesn't match '0123'",
  'nxagentSighupHandler: WARNING! Ignoring the signal in state [SESSION_GOING_DOWN].',
])('%j says nothing about the state', (line) => {
  expect(readLogLine(line)).toBeUndefined()
})

/** Logs of real nxagents (3.5.99.26), whole, with what became of their sessions. */
test.each([
  [
    'hung-up-while-woken.txt',
    [
      ...['starting', 'listening', 'connected', 'suspending', 'suspended'],
      ...['starting', 'listening', 'suspending', 'suspended'],
      ...['starting', 'listening', 'suspending', 'suspended'],
      ...['stopping', 'stopped'],
    ],
  ],
  ['rootless-terminated.txt', ['starting', 'listening', 'connected', 'stopping', 'stopped']],
  ['nobody-came.txt', ['starting', 'listening', 'stopping', 'stopped']],
])('the log %s tells the life of its session, in steps that the table knows', (name, states) => {
  const lines = readFileSync(join(import.meta.dirname, 'logs', name), 'latin1').split('\n')
  const told = lines.flatMap((line) => readLogLine(line)?.state ?? [])
  expect(told).toEqual(states)
  told.forEach((state, index) => {
    const before = told[index - 1]
    if (before !== undefined) expect(mayFollow(before, state), `${before} -> ${state}`).toBe(true)
  })
  expect(lines.flatMap((line) => readPidLine(line) ?? [])).toHaveLength(1)
})
