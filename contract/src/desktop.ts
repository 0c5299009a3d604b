/** A desktop's state as QVD's clients know it (compatibility page 1.3). */
export type QvdState = 'stopped' | 'starting' | 'running' | 'stopping' | 'zombie' | 'debugging'

/** One desktop in the list that a user gets. Numbers for the booleans: the C client insists on them. */
export interface DesktopListItem {
  readonly id: number
  readonly name: string
  readonly state: QvdState
  readonly blocked: 0 | 1
  readonly is_application: 0 | 1
}

/** Upgrade token of the NX stream. */
export const NX_UPGRADE = 'QVD/1.0'
/** Header of each 102 (it is Info, not Status). */
export const VM_INFO_HEADER = 'X-QVD-VM-Info'
export const SLAVE_KEY_HEADER = 'X-QVD-Slave-Key'
