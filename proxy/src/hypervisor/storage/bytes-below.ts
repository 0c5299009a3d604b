import { run, RunError } from '@ostler/kit/run.ts'

const LOOK_MS = 300_000

/** Bytes that a file or folder takes on its disk. What cannot be looked at counts nothing. */
export async function bytesBelow(path: string): Promise<number> {
  const parse = (text: string): number => Number(/^\d+/.exec(text)?.[0] ?? 0) * 1024
  try {
    const { stdout } = await run('du', ['--summarize', '--one-file-system', '--block-size=1K', path], {
      timeoutMs: LOOK_MS,
    })
    return parse(stdout)
  } catch (error) {
    if (error instanceof RunError) return 0
    throw error
  }
}
