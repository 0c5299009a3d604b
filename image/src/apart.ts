import { run, type RunResult } from '@ostler/kit/run.ts'

/** Minutes that one step may take: a slow mirror, an emulated machine, a large disk. */
const STEP_MS = 7_200_000

/** How one step of the work is run. */
export interface StepOptions {
  readonly signal: AbortSignal
  readonly input?: string
  readonly maxOutput?: number
  readonly env?: NodeJS.ProcessEnv
  readonly onOutput?: (chunk: Buffer) => void
}

/**
 * Words in front of a program that works on the files of a system as their root: in namespaces of its own, so that no mount and no
 * process of it is left. Whoever is not root here is root of his subordinate users there, which are the same each time.
 */
export function asRootOfFiles(): readonly string[] {
  const apart = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const users = process.getuid?.() === 0 ? [] : ['--map-root-user', '--map-auto']
  return ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...users, ...apart]
}

/**
 * Runs a step to its end.
 * @throws RunError
 */
export async function step(argv: readonly string[], options: StepOptions): Promise<RunResult> {
  const [program = '', ...args] = argv
  const env = { ...process.env, LC_ALL: 'C.UTF-8', ...options.env }
  return await run(program, args, { timeoutMs: STEP_MS, ...options, env })
}
