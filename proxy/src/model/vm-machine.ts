import type { QvdState } from '@ostler/contract/desktop.ts'
import { type HypervisorKind, MACHINE } from './hypervisor-kind.ts'

/**
 * The life cycle of a desktop. This value makes the type, the SQL tables that a foreign key checks
 * (`store/migrations`), and the diagram in `docs/states.md`.
 *
 * `lost` means: its processes may still run and write, and nobody can tell; nothing may start it elsewhere.
 */
export const vmMachine = {
  stopped: { deadlineMs: null, qvd: 'stopped', edges: { start: 'preparing' } },
  preparing: {
    deadlineMs: 600_000,
    qvd: 'starting',
    edges: { prepared: 'booting', stop: 'stopping', fault: 'failed', deadline: 'failed', hostLost: 'lost' },
  },
  booting: {
    deadlineMs: 60_000,
    qvd: 'starting',
    edges: {
      agentUp: 'running',
      stop: 'stopping',
      exited: 'failed',
      fault: 'killing',
      deadline: 'killing',
      hostLost: 'lost',
    },
  },
  running: {
    deadlineMs: null,
    qvd: 'running',
    edges: { stop: 'stopping', agentLost: 'stopping', exited: 'stopped', hostLost: 'lost' },
  },
  stopping: {
    deadlineMs: 40_000,
    qvd: 'stopping',
    edges: { exited: 'stopped', deadline: 'killing', hostLost: 'lost' },
  },
  killing: {
    deadlineMs: 30_000,
    qvd: 'stopping',
    edges: { exited: 'stopped', fault: 'failed', deadline: 'lost', hostLost: 'lost' },
  },
  lost: { deadlineMs: null, qvd: 'zombie', edges: { exited: 'stopped' } },
  failed: { deadlineMs: null, qvd: 'stopped', edges: { reset: 'stopped' } },
} as const satisfies Record<
  string,
  { deadlineMs: number | null; qvd: QvdState; edges: Readonly<Record<string, string>> }
>

export type VmState = keyof typeof vmMachine

/** A virtual machine brings up a whole system, at worst on an emulated processor. */
const MACHINE_BOOT_MS = 240_000

/** How long a desktop may be in a state; `null`: any time. */
export function deadlineOf(state: VmState, hypervisor: HypervisorKind | null): number | null {
  return state === 'booting' && hypervisor === MACHINE ? MACHINE_BOOT_MS : vmMachine[state].deadlineMs
}

export type VmEvent = { [S in VmState]: keyof (typeof vmMachine)[S]['edges'] }[VmState]

export const VM_STATES = Object.keys(vmMachine) as readonly VmState[]

/** The state that `event` leads to from `state`; `undefined` when the table does not list it. */
export function next(state: VmState, event: VmEvent): VmState | undefined {
  return (vmMachine[state].edges as Partial<Record<VmEvent, VmState>>)[event]
}

/** Every edge of the table. */
export function edges(): { from: VmState; event: VmEvent; to: VmState }[] {
  return VM_STATES.flatMap((from) =>
    Object.entries(vmMachine[from].edges).map(([event, to]) => ({
      from,
      event: event as VmEvent,
      to: to,
    })),
  )
}
