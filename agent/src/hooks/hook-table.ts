import type { AgentValues } from '../config/options.ts'

/** The hooks of compatibility page 4.6: what runs when, and how its caller is told. */
export const ACTION_HOOKS = {
  'pre-connect': { key: 'vma.on_action.pre-connect', word: 'pre_connect' },
  connect: { key: 'vma.on_action.connect', word: 'connect' },
  stop: { key: 'vma.on_action.stop', word: 'stop' },
  suspend: { key: 'vma.on_action.suspend', word: 'suspend' },
  poweroff: { key: 'vma.on_action.poweroff', word: 'poweroff' },
  expire: { key: 'vma.on_action.expire', word: 'expire' },
} as const

export const PROVISIONING_HOOKS = {
  mount_home: { key: 'vma.on_provisioning.mount_home', word: 'mount_home' },
  add_user: { key: 'vma.on_provisioning.add_user', word: 'add_user' },
  after_add_user: { key: 'vma.on_provisioning.after_add_user', word: 'after_add_user' },
} as const

/** By session state: only these three have a hook; the word of the last is the state, not the key. */
export const STATE_HOOKS = {
  connected: { key: 'vma.on_state.connected', word: 'connected' },
  suspended: { key: 'vma.on_state.suspended', word: 'suspended' },
  stopped: { key: 'vma.on_state.disconnected', word: 'stopped' },
} as const

export type ActionHook = keyof typeof ACTION_HOOKS
export type ProvisioningHook = keyof typeof PROVISIONING_HOOKS
export type StateHook = keyof typeof STATE_HOOKS

type HookKey =
  | (typeof ACTION_HOOKS)[ActionHook]['key']
  | (typeof PROVISIONING_HOOKS)[ProvisioningHook]['key']
  | (typeof STATE_HOOKS)[StateHook]['key']

/** One hook as it is configured now. */
export interface ConfiguredHook {
  readonly key: HookKey
  readonly word: string
  readonly file: string
  readonly timeoutMs: number
}

/** The hook behind an entry of the tables; `undefined` when none is set. */
export function configuredHook(
  entry: { readonly key: HookKey; readonly word: string },
  config: AgentValues,
): ConfiguredHook | undefined {
  const file = config[entry.key]
  if (file === '') return undefined
  const byClass = entry.key.startsWith('vma.on_provisioning.')
    ? config['vma.hook.timeout.provisioning']
    : config['vma.hook.timeout']
  return { ...entry, file, timeoutMs: (config[`${entry.key}.timeout`] ?? byClass) * 1_000 }
}
