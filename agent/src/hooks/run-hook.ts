import type { HookResult } from '@ostler/contract/agent-api.ts'
import { RunError, type run } from '@ostler/kit/run.ts'
import type { ConfiguredHook } from './hook-table.ts'

/** Names and values in the order in which a hook gets them. */
export type Pairs = readonly (readonly [string, string])[]

/** How the operating system runs a hook, and what it thinks of the file. */
export interface HookPlatform {
  /** What every hook finds in its environment, beside what it is told. */
  readonly environment: Readonly<Record<string, string>>
  /** Why this file must not be run with our privileges; `undefined` when it may. Never rejects. */
  problem(file: string): string | undefined | Promise<string | undefined>
  /** The program and the arguments that run the hook file with `args`. */
  command(file: string, args: readonly string[]): { command: string; args: readonly string[] }
}

export interface HookSurroundings {
  readonly platform: HookPlatform
  readonly run: typeof run
  /** Takes what a hook prints, piece by piece. */
  readonly output: (chunk: Buffer) => void
  /** What the environment says beside the pairs: the session's parameters, and where its display is. */
  readonly sessionPairs: Pairs
  readonly environment: Readonly<Record<string, string>>
  /** Ends the hook: what it was for is given up. */
  readonly signal?: AbortSignal
}

/** What ended a hook that did not succeed. */
export type HookEnd = HookResult & { readonly kind: 'succeeded' | 'failed' | 'timedOut' | 'refused' }

/** Arguments can be read by every user of the desktop; the environment by root alone. */
const IN_ENVIRONMENT_ONLY: readonly string[] = ['auth_token']

/** So much of a hook's output is kept; the rest is read and dropped. */
const MAX_OUTPUT = 65_536
/** The last line of the output is looked for in so many bytes. */
const TAIL_BYTES = 2_048

/**
 * Runs one hook: `file k1 v1 k2 v2 …`, no shell, nothing on its standard input, the pairs also in the environment, its whole
 * process group killed at the deadline. Never throws.
 */
export async function runHook(
  hook: ConfiguredHook,
  pairs: Pairs,
  surroundings: HookSurroundings,
): Promise<HookEnd> {
  const began = performance.now()
  const end = (kind: HookEnd['kind'], exit: number | null, text: string): HookEnd => ({
    kind,
    hook: hook.key,
    for: hook.word,
    exit,
    ms: Math.round(performance.now() - began),
    text: text.slice(0, 500),
  })
  const problem = await surroundings.platform.problem(hook.file)
  if (problem !== undefined) return end('refused', null, problem)
  const shown = pairs.filter(([key]) => !IN_ENVIRONMENT_ONLY.includes(key))
  const { command, args } = surroundings.platform.command(hook.file, shown.flat())
  let room = MAX_OUTPUT
  let tail: Buffer = Buffer.alloc(0)
  const onOutput = (chunk: Buffer): void => {
    tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
    if (room <= 0) return
    surroundings.output(chunk.subarray(0, room))
    room -= chunk.length
    if (room <= 0) surroundings.output(Buffer.from('\n[more was printed and is not kept]\n'))
  }
  try {
    await surroundings.run(command, args, {
      env: {
        ...surroundings.platform.environment,
        ...surroundings.environment,
        ...pairEnvironment([...surroundings.sessionPairs, ...pairs]),
      },
      cwd: '/',
      timeoutMs: hook.timeoutMs,
      maxOutput: 0,
      onOutput,
      ...(surroundings.signal === undefined ? {} : { signal: surroundings.signal }),
    })
    return end('succeeded', 0, lastLine(tail))
  } catch (error) {
    if (!(error instanceof RunError)) return end('failed', null, String(error))
    if (error.timedOut) return end('timedOut', null, `not ended after ${hook.timeoutMs / 1_000} s`)
    return end('failed', error.exitCode, lastLine(tail) || error.message)
  }
}

/** `qvd.vm.user.name` becomes `OSTLER_QVD_VM_USER_NAME`: the prefix keeps a parameter from being `LD_PRELOAD`. */
export function pairEnvironment(pairs: Pairs): Record<string, string> {
  return Object.fromEntries(
    pairs.map(([key, value]) => [`OSTLER_${key.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`, value]),
  )
}

/** The last line that says something; '' when none does. */
function lastLine(output: Buffer): string {
  const lines = output.toString('utf8').split('\n')
  return lines.findLast((line) => line.trim() !== '')?.trim() ?? ''
}
