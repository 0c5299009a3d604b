import { sql } from 'kysely'
import type { HostLoad } from '../model/host.ts'
import { AT_REST } from '../model/start-queue.ts'
import type { Db } from './open.ts'

/** Where all desktops are now, for those who want to know what would become of them. */
export interface PlacementSnapshot {
  readonly hosts: readonly (Pick<HostLoad, 'id' | 'totalMb'> & {
    readonly name: string
    readonly cpu: number
    readonly startingMax: number
    /** It takes desktops. */
    readonly open: boolean
  })[]
  readonly desktops: readonly {
    readonly id: number
    readonly userId: number
    readonly memoryMb: number
    readonly epoch: number
    readonly hostId: number
    /** Its home, or what its user has with it, lies on that node alone. */
    readonly bound: boolean
  }[]
}

/** One statement: what it tells was so at one moment. It names nobody. */
export async function readPlacement(db: Db): Promise<PlacementSnapshot> {
  const { rows } = await sql<PlacementSnapshot>`
    SELECT
      (SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'totalMb', memory_mb, 'cpu', cpu,
          'startingMax', starting_max, 'open', state = 'running' AND NOT blocked AND maintenance IS NULL)
          ORDER BY id), '[]') FROM ostler.host) AS hosts,
      (SELECT coalesce(json_agg(json_build_object('id', vm.id, 'userId', coalesce(vm.assigned_user_id, vm.user_id),
          'memoryMb', flavour.memory_mb, 'epoch', vm.epoch, 'hostId', vm.host_id,
          'bound', EXISTS (SELECT FROM ostler.home WHERE writer_vm = vm.id AND home.host_id IS NOT NULL))
          ORDER BY vm.id), '[]')
        FROM ostler.vm JOIN ostler.flavour ON flavour.id = flavour_id
        WHERE vm.host_id IS NOT NULL AND vm.state <> ALL (${[...AT_REST]})) AS desktops`.execute(db)
  return rows[0] ?? { hosts: [], desktops: [] }
}
