import { inject, test as plainTest } from 'vitest'
import { openGuest } from './guest.ts'

/** A test with the `guest` of this run's machine; of a failed one the end of the console is printed. */
export const test = plainTest
  .extend('guest', { scope: 'file' }, async ({}, { onCleanup }) => {
    const machine = inject('machine')
    if ('trouble' in machine) throw new Error(machine.trouble)
    const guest = await openGuest(machine.folder)
    onCleanup(() => guest[Symbol.dispose]())
    return guest
  })
  .extend('consoleOfFailure', { auto: true }, ({ guest, onTestFailed }) => {
    onTestFailed(() => console.error(guest.consoleTail()))
  })
