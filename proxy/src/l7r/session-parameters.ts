import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import type { SessionGrant } from '../model/policy.ts'

const PREFIX = 'qvd.ostler.'

/**
 * The parameters of a session (compatibility page 1.4, step 16). Later ones win: what the client asks for, what
 * plugins said, and last what neither of them can change – what kind of desktop it is, and what policy allows.
 */
export function sessionParameters(
  client: ReadonlyMap<string, string>,
  plugins: Readonly<Record<string, string>>,
  isApplication: boolean,
  grant: SessionGrant,
): Record<string, string> {
  const said = [...client, ...Object.entries(plugins)].filter(([name]) => !name.startsWith(PREFIX))
  const flag = (value: boolean): string => (value ? '1' : '0')
  return {
    ...Object.fromEntries(said),
    ...(isApplication ? { 'qvd.vm.is_application': '1' } : {}),
    [POLICY_PARAMETERS.clipboard]: grant.clipboard,
    [POLICY_PARAMETERS.folders]: grant.folders.access,
    [POLICY_PARAMETERS.roots]: grant.folders.roots.join(','),
    [POLICY_PARAMETERS.printing]: flag(grant.printing),
    [POLICY_PARAMETERS.audio]: flag(grant.audio),
    [POLICY_PARAMETERS.usb]: flag(grant.usb),
  }
}
