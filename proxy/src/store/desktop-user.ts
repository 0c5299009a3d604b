import { sql } from 'kysely'

/** Whose a desktop is now: in a pool, who has it. Stands in statements that have `ostler.vm`. */
export const userOfDesktop = sql<number>`coalesce(vm.assigned_user_id, vm.user_id)`
