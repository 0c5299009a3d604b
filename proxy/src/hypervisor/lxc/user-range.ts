/** Numbers of users and groups on the node that stand for those of desktops. */
export interface UserNumbers {
  /** The first of all. */
  readonly first: number
  /** How many each desktop has. */
  readonly perDesktop: number
}

/** The numbers of one desktop: its 0 is `first` on the node, and so on. */
export interface UserRange {
  readonly first: number
  readonly count: number
}

/** systemd keeps the numbers below for containers; those above are of virtual machines, or make old programs stumble. */
export const LAST_CONTAINER_USER = 1_879_048_191

/**
 * The range of a desktop: another one for each, as long as there are enough. Two desktops whose numbers are so far apart
 * that they share one are kept apart by their other namespaces, as all were before.
 */
export function userRange({ first, perDesktop }: UserNumbers, id: number): UserRange {
  const ranges = Math.max(1, Math.floor((LAST_CONTAINER_USER + 1 - first) / perDesktop))
  return { first: first + (id % ranges) * perDesktop, count: perDesktop }
}
