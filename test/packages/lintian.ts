import { run } from '@ostler/kit/run.ts'

/** Node carries the text of everything in it: Lintian reads long. */
const LINTIAN_MS = 600_000

/** What Lintian says of packages: nothing, when all is well or has its reason in an override. */
export async function lintian(files: readonly string[], suppressed: readonly string[] = []): Promise<string> {
  const without = suppressed.length === 0 ? [] : ['--suppress-tags', suppressed.join(',')]
  const words = ['--allow-root', ...without, '--fail-on', 'error,warning', ...files]
  const said: string[] = []
  const onOutput = (chunk: Buffer): void => void said.push(chunk.toString())
  await run('lintian', words, { timeoutMs: LINTIAN_MS, onOutput }).catch((error: unknown) =>
    said.push(String(error)),
  )
  return said.join('')
}
