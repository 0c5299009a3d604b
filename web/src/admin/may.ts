import type { Permission } from '@ostler/contract/administrators.ts'
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Self } from './main.tsx'

/** Who is here. */
export const MayContext = createContext<Self | undefined>(undefined)

/** What the one who is here may: what she may not is not offered. The api refuses it as well. */
export function useMay(): {
  readonly may: (permission: Permission) => boolean
  /** She is of all tenants. */
  readonly isWide: boolean
} {
  const self = useContext(MayContext)
  return {
    may: (permission) => self?.permissions.includes(permission) ?? false,
    isWide: self !== undefined && self.tenant === null,
  }
}
