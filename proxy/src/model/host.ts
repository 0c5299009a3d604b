/** A node that may take desktops. */
export interface HostLoad {
  readonly id: number
  /** Memory already promised to desktops, MB. */
  readonly usedMb: number
  readonly totalMb: number
}
