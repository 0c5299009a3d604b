import { expect, test } from 'vitest'
import { edges, next, VM_STATES, type VmState, vmMachine } from './vm-machine.ts'

function reachableFrom(state: VmState): Set<VmState> {
  const seen = new Set<VmState>([state])
  for (const from of seen) for (const edge of edges()) if (edge.from === from) seen.add(edge.to)
  return seen
}

test('every state can be reached from stopped', () => {
  expect([...reachableFrom('stopped')].sort()).toEqual([...VM_STATES].sort())
})

test.each(VM_STATES)('%s has a way back to stopped', (state) => {
  expect(reachableFrom(state)).toContain('stopped')
})

test.each(VM_STATES)('%s has a deadline exactly when it has an edge for it', (state) => {
  expect(vmMachine[state].deadlineMs !== null).toBe(next(state, 'deadline') !== undefined)
})

test('every edge leads to another state of the table', () => {
  expect(edges().filter(({ from, to }) => !VM_STATES.includes(to) || from === to)).toEqual([])
})

test('next follows the edges and nothing else', () => {
  const events = new Set(edges().map((edge) => edge.event))
  const listed = VM_STATES.flatMap((from) =>
    [...events].flatMap((event) => {
      const to = next(from, event)
      return to === undefined ? [] : [`${from} ${event} ${to}`]
    }),
  )
  expect(listed.sort()).toEqual(
    edges()
      .map(({ from, event, to }) => `${from} ${event} ${to}`)
      .sort(),
  )
})

test('every state in which processes may exist can lose its node', () => {
  const withProcesses = ['preparing', 'booting', 'running', 'stopping', 'killing'] as const
  expect(withProcesses.map((state) => next(state, 'hostLost'))).toEqual(withProcesses.map(() => 'lost'))
})

test('a lost desktop shows to clients as a zombie, and only it', () => {
  expect(VM_STATES.filter((state) => vmMachine[state].qvd === 'zombie')).toEqual(['lost'])
})

test('C-105: clients hear the words of QVD’s table vm_states, each of which stands for what they know it as', () => {
  // QVD's tables are imported, never read in place (architecture, Ownership of data): what is alike are the words, and the columns of a dump.
  const words = VM_STATES.map((state) => [state, vmMachine[state].qvd])
  expect(Object.fromEntries(words)).toEqual({
    stopped: 'stopped',
    preparing: 'starting',
    booting: 'starting',
    running: 'running',
    stopping: 'stopping',
    killing: 'stopping',
    lost: 'zombie',
    failed: 'stopped',
  })
})
