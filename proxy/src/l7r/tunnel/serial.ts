import type { FarEnd } from './far-end.ts'

/** The serial line of a virtual machine: also while it boots and halts, for that is what it is for. */
export const serialEnd: FarEnd = {
  states: ['booting', 'running', 'stopping'],
  open: ({ parts, vm }) => parts.reach(vm, 'serial'),
}
