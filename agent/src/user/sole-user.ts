/**
 * True when the agent is not root, but the one user that its desktop has: in a sandbox with a single user id (docs/node.md,
 * Drivers). It makes no accounts, changes to nobody and owns nothing that its user does not own.
 */
export function isSoleUser(): boolean {
  return process.getuid !== undefined && process.getuid() !== 0
}
