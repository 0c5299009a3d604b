import { expect, test } from 'vitest'
import type { DesktopSpec, Hypervisor } from './hypervisor.ts'
import { inTurn } from './in-turn.ts'

test('what a driver offers beyond the seven verbs is offered', async () => {
  const done: string[] = []
  const nothing = (): Promise<void> => Promise.resolve()
  const driver: Hypervisor = {
    name: 'whole',
    imageWork: () => () => Promise.resolve(void done.push('unpacked')),
    ...{
      prepare: nothing,
      boot: nothing,
      powerOff: nothing,
      kill: nothing,
      release: nothing,
      reset: nothing,
    },
    written: () => Promise.resolve([]),
    observe: () => ({ processes: 'absent' }),
    tickets: (id) => ({ put: () => void done.push(`ticket for ${id}`), clear: () => {}, close: () => {} }),
    warning: () => 'slow',
  }
  const safe = inTurn(driver)
  await safe.imageWork?.({} as DesktopSpec)?.()
  safe.tickets?.(7).put({ desktop: 7, epoch: 1, secret: '', displayUid: 0 })
  expect([done, safe.warning?.({} as DesktopSpec), safe.name]).toEqual([
    ['unpacked', 'ticket for 7'],
    'slow',
    'whole',
  ])
})
