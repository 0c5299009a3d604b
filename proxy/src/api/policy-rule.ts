import type { NewPolicyRuleBody } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { addressRanges } from '../model/address-ranges.ts'
import type { NewPolicyRule } from '../store/policy-rules.ts'

/**
 * A rule in our words, from an administrator's.
 * @param ids of what it names.
 * @throws Fault `request.invalid` for an address that is none.
 */
export function policyRule(
  said: NewPolicyRuleBody,
  ids: { readonly tenantId: number | undefined; readonly flavourId: number | undefined },
): NewPolicyRule {
  const { use, displays, clipboard, ports, printing, audio, usb, quota } = said
  if (said.from !== undefined) requireRanges(said.from)
  return {
    name: said.name,
    position: said.position,
    about: given({
      ...ids,
      user: said.user,
      group: said.group,
      role: said.role,
      desktop: said.vm,
      sources: said.from,
    }),
    says: given({
      use,
      displays,
      clipboard,
      folders: said.folders === undefined ? undefined : { access: said.folders, roots: said.roots ?? [] },
      ports,
      printing,
      audio,
      usb,
      quota,
    }),
  }
}

function requireRanges(texts: readonly string[]): void {
  // A rule about no address at all would never match, which nobody means.
  if (texts.length === 0) throw new Fault('request.invalid', { problem: 'from names no address' })
  try {
    addressRanges(texts)
  } catch (cause) {
    throw new Fault('request.invalid', { problem: `from: ${(cause as Error).message}` }, { cause })
  }
}

function given<T extends object>(record: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> }
}
