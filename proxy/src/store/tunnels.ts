import { sql } from 'kysely'
import type { VmState } from '../model/vm-machine.ts'
import type { Db } from './open.ts'

/** What decides whether tunnels to a desktop go on. */
export interface TunnelGround {
  readonly vmId: number
  readonly state: VmState
  readonly epoch: number
  /** The number of the newest claim on the desktop; 0 before the first. */
  readonly seat: number
  /** How often an administrator has ended who sat there. */
  readonly disconnects: number
}

/** The ground of tunnels to some desktops; those that are gone are missing. */
export async function tunnelGrounds(db: Db, vmIds: readonly number[]): Promise<Map<number, TunnelGround>> {
  const { rows } = await sql<TunnelGround>`
    SELECT vm.id AS "vmId", vm.state, vm.epoch, coalesce(seat.epoch, 0) AS seat,
      coalesce(seat.disconnects, 0) AS disconnects
    FROM ostler.vm LEFT JOIN ostler.seat ON seat.vm_id = vm.id WHERE vm.id = ANY(${[...vmIds]})`.execute(db)
  return new Map(rows.map((row) => [row.vmId, row]))
}
