import * as z from 'zod/mini'
import type { WindowsTools } from './tools.ts'

/** A script of ours ended with an error of PowerShell. */
export class PowerShellError extends Error {
  /** `UserExists,Microsoft.PowerShell.Commands.NewLocalUserCommand`: the same in every language. */
  readonly id: string

  constructor(id: string, message: string) {
    super(message)
    this.name = 'PowerShellError'
    this.id = id
  }
}

const failure = z.strictObject({ failed: z.string(), says: z.string() })

/**
 * Runs a fixed script in Windows PowerShell 5.1, which every Windows has, and gives what it answers.
 *
 * What varies goes in as JSON on standard input and is `$given` in the script: nothing is ever put into its text. Input and
 * answer are ASCII, whatever code page the console has. `-Command -`, the script on standard input, would need no argument;
 * but it runs statement by statement, goes on after errors, and wants an empty line after each block.
 *
 * @param script statements without double quotes, whose value is a hash table.
 * @param given what the script is about, and `secret`: an ASCII line of its own, `$secret` in the script. PowerShell's logs
 *   keep what is handed to a cmdlet; a secret must never be.
 * @throws PowerShellError when the script fails, RunError when PowerShell does, Error when the answer is none.
 */
export async function askPowerShell<Answer extends z.ZodMiniType>(
  tools: WindowsTools,
  script: string,
  { secret, ...given }: { readonly secret?: string; readonly [name: string]: unknown },
  answer: Answer,
  timeoutMs: number,
): Promise<z.output<Answer>> {
  const { stdout } = await tools.run(
    'powershell',
    [
      ...'-NoLogo -NoProfile -NonInteractive -InputFormat Text -OutputFormat Text -Command'.split(' '),
      wholeScript(script),
    ],
    { input: `${ascii(JSON.stringify(given))}\n${secret ?? ''}\n`, timeoutMs },
  )
  // A module that is loaded may say something of its own before.
  const line = stdout.split(/\r?\n/).findLast((text) => text.startsWith('{'))
  const value = parseJson(line ?? '')
  const failed = failure.safeParse(value)
  if (failed.success) throw new PowerShellError(failed.data.failed, failed.data.says.trim())
  const wanted = answer.safeParse(value)
  if (!wanted.success)
    throw new Error(`PowerShell's answer is not understood: ${JSON.stringify(stdout.slice(0, 200))}`)
  return wanted.data
}

/** What PowerShell really runs: errors end the script and become an answer. */
export function wholeScript(script: string): string {
  return `$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$lines = @($input)
$given = $lines[0] | ConvertFrom-Json
$secret = $lines[1]
try {
  $answer = & {
${script}
  }
} catch {
  $answer = @{ failed = [string]$_.FullyQualifiedErrorId; says = [string]$_.Exception.Message }
}
$text = ConvertTo-Json -InputObject $answer -Compress -Depth 5
$plain = [regex]::Replace($text, '[^\\x20-\\x7e]', { param($found) '\\u{0:x4}' -f [int][char]$found.Value })
[Console]::Out.WriteLine($plain)`
}

function ascii(json: string): string {
  return json.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
