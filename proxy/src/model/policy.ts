import { Fault } from '@ostler/contract/fault.ts'

/**
 * Says whether a user may open, see or stop a desktop.
 * @throws Fault `desktop.unknown`, `desktop.foreign` or `desktop.blocked`.
 */
export function checkAccess(
  userId: number,
  desktop: { ownerId: number; blocked: boolean } | undefined,
): void {
  if (desktop === undefined) throw new Fault('desktop.unknown')
  if (desktop.ownerId !== userId) throw new Fault('desktop.foreign')
  if (desktop.blocked) throw new Fault('desktop.blocked')
}
