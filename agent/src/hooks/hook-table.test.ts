import { expect, test } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import { AGENT_OPTIONS, type AgentValues } from '../config/options.ts'
import { ACTION_HOOKS, configuredHook, PROVISIONING_HOOKS, STATE_HOOKS } from './hook-table.ts'

const DEFAULTS = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
const HOOKS = [
  ...Object.values(ACTION_HOOKS),
  ...Object.values(PROVISIONING_HOOKS),
  ...Object.values(STATE_HOOKS),
]

function configured(entry: (typeof HOOKS)[number], values: Partial<AgentValues>) {
  return configuredHook(entry, { ...DEFAULTS, ...values })
}

test('every key of a hook has one place, but for the one that QVD never runs', () => {
  const keys = Object.keys(AGENT_OPTIONS).filter((key) => /^vma\.on_\w+\.[\w-]+$/.test(key))
  expect(HOOKS.map(({ key }) => key).toSorted()).toEqual(
    keys.filter((key) => key !== 'vma.on_action.disconnect').toSorted(),
  )
})

test('every hook can have a limit of its own', () => {
  for (const { key } of HOOKS) expect(AGENT_OPTIONS).toHaveProperty([`${key}.timeout`])
})

test('hooks hear the words of QVD, which are not always those of the key', () => {
  const words = Object.fromEntries(HOOKS.map(({ key, word }) => [key, word]))
  expect(words).toMatchObject({
    'vma.on_action.pre-connect': 'pre_connect',
    'vma.on_state.disconnected': 'stopped',
  })
  const others = HOOKS.filter(({ key }) => !/pre-connect|disconnected/.test(key))
  for (const { key, word } of others) expect(key.endsWith(`.${word}`)).toBe(true)
})

test('a hook that is not set is none', () => {
  for (const entry of HOOKS) expect(configuredHook(entry, DEFAULTS)).toBeUndefined()
})

test('a hook has the limit of its class: provisioning may take longer', () => {
  const limits = { 'vma.hook.timeout': 7, 'vma.hook.timeout.provisioning': 70 }
  for (const entry of HOOKS) {
    const hook = configured(entry, { [entry.key]: '/hook', ...limits })
    expect(hook).toEqual({
      ...entry,
      file: '/hook',
      timeoutMs: entry.key.startsWith('vma.on_provisioning.') ? 70_000 : 7_000,
    })
  }
})

test('its own limit goes before that of its class', () => {
  for (const entry of HOOKS)
    expect(configured(entry, { [entry.key]: '/hook', [`${entry.key}.timeout`]: 3 })?.timeoutMs).toBe(3_000)
})

test('60 s and 300 s are the limits when nobody sets others', () => {
  const [action, provisioning] = [ACTION_HOOKS.connect, PROVISIONING_HOOKS.add_user]
  expect(configured(action, { [action.key]: '/hook' })?.timeoutMs).toBe(60_000)
  expect(configured(provisioning, { [provisioning.key]: '/hook' })?.timeoutMs).toBe(300_000)
})
