import type { HookResult } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { AgentValues } from '../config/options.ts'
import {
  ACTION_HOOKS,
  type ActionHook,
  type ConfiguredHook,
  configuredHook,
  PROVISIONING_HOOKS,
  type ProvisioningHook,
  STATE_HOOKS,
} from './hook-table.ts'
import { nxPlaces } from '../desktop/launch.ts'
import type { HookLog } from './hook-log.ts'
import { type HookEnd, type HookPlatform, type Pairs, runHook, type HookSurroundings } from './run-hook.ts'

export interface HookParts {
  readonly config: () => AgentValues
  readonly platform: HookPlatform
  readonly run: HookSurroundings['run']
  readonly hookLog: HookLog
  readonly log: Log
  /** Told the result of every hook that was run. */
  readonly onResult: (result: HookResult) => void
}

/** A session whose states change faster than hooks end must not fill the desktop with them. */
const MOST_STATES = 8

/** The administrator's hooks: same names, same arguments, same order and same rules for failure as QVD's. */
export class Hooks {
  readonly #parts: HookParts
  /** What hooks know about the session beside their arguments. */
  #session: { pairs: Pairs; environment: Readonly<Record<string, string>> } = { pairs: [], environment: {} }

  /** State hooks that are running. */
  #states = 0

  constructor(parts: HookParts) {
    this.#parts = parts
  }

  /** Says what the environment of hooks tells from now on: the session's parameters, and where its display is. */
  describeSession(pairs: Pairs): void {
    const config = this.#parts.config()
    const environment = {
      DISPLAY: `:${config['internal.nxagent.display']}`,
      XAUTHORITY: nxPlaces(config, undefined).authority,
    }
    this.#session = { pairs, environment }
  }

  /**
   * Runs the hook of an action and waits for it.
   * @throws Fault `hook.failed`, `hook.timeout`, `hook.refused`: the action must not go on.
   */
  async action(name: ActionHook, pairs: Pairs, state: SessionState, signal?: AbortSignal): Promise<void> {
    const { word } = ACTION_HOOKS[name]
    const all: Pairs = [...pairs, ['qvd.vm.session.state', state], ['qvd.hook.on_action', word]]
    // The session that is described may still be the one before, of other parameters and perhaps of another user.
    const described = name === 'pre-connect' ? [] : this.#session.pairs
    await this.#runOrThrow(configuredHook(ACTION_HOOKS[name], this.#parts.config()), all, described, signal)
  }

  /**
   * Runs a provisioning hook and waits for it.
   * @returns false when none is configured: then the agent does the work itself.
   * @throws Fault as `action`.
   */
  async provisioning(name: ProvisioningHook, pairs: Pairs, signal?: AbortSignal): Promise<boolean> {
    const hook = configuredHook(PROVISIONING_HOOKS[name], this.#parts.config())
    const all: Pairs = [...pairs, ['qvd.hook.on_provisioning', PROVISIONING_HOOKS[name].word]]
    await this.#runOrThrow(hook, all, this.#session.pairs, signal)
    return hook !== undefined
  }

  /** Starts the hook of a state, if there is one. Nobody waits for it, and its failure changes nothing. */
  state(state: SessionState): void {
    if (!isHooked(state)) return
    const hook = configuredHook(STATE_HOOKS[state], this.#parts.config())
    const pairs: Pairs = [['qvd.hook.on_state', STATE_HOOKS[state].word]]
    if (hook === undefined) return
    if (this.#states >= MOST_STATES) {
      this.#parts.log.warn('too many state hooks are running, this one is left out', { hook: hook.key })
      return
    }
    this.#states += 1
    void this.#run(hook, pairs, this.#session.pairs).finally(() => (this.#states -= 1))
  }

  async #runOrThrow(
    hook: ConfiguredHook | undefined,
    pairs: Pairs,
    sessionPairs: Pairs,
    signal?: AbortSignal,
  ): Promise<void> {
    if (hook === undefined) return
    const end = await this.#run(hook, pairs, sessionPairs, signal)
    signal?.throwIfAborted()
    const detail = { file: hook.file, name: hook.word }
    if (end.kind === 'refused') throw new Fault('hook.refused', { ...detail, reason: end.text })
    if (end.kind === 'timedOut')
      throw new Fault('hook.timeout', {
        ...detail,
        seconds: hook.timeoutMs / 1_000,
        key: `${hook.key}.timeout`,
      })
    if (end.kind === 'failed')
      throw new Fault('hook.failed', { ...detail, rc: end.exit ?? 'signal', said: end.text || 'nothing' })
  }

  async #run(
    hook: ConfiguredHook,
    pairs: Pairs,
    sessionPairs: Pairs,
    signal?: AbortSignal,
  ): Promise<HookEnd> {
    const { platform, run, hookLog, log, onResult } = this.#parts
    const output = hookLog.begin(hook.file, hook.word)
    const end = await runHook(hook, pairs, {
      platform,
      run,
      output,
      environment: this.#session.environment,
      sessionPairs,
      ...(signal === undefined ? {} : { signal }),
    })
    const { kind, ...result } = end
    if (kind === 'succeeded') log.info('hook ran', result)
    else log.warn('hook did not succeed', { kind, ...result })
    onResult(result)
    return end
  }
}

function isHooked(state: SessionState): state is keyof typeof STATE_HOOKS {
  return Object.hasOwn(STATE_HOOKS, state)
}
