import { Fault } from '@ostler/contract/fault.ts'

/**
 * The NX options that a client may choose: how pixels are cached, packed and compressed. Everything else – where nxagent
 * listens, whom it accepts, cookies, channels and their ports, files, other options files – is ours.
 */
const ALLOWED = [
  'autodpi',
  'backingstore',
  'cache',
  'composite',
  'data',
  'defer',
  'delta',
  'images',
  'limit',
  'load',
  'magicpixel',
  'memory',
  'menu',
  'pack',
  'render',
  'resize',
  'shmem',
  'shpix',
  'streaming',
  'stream',
  'tile',
  'type',
  'xinerama',
] as const

const PARAMETER = 'qvd.client.nxagent.extra_args'

/**
 * Reads `qvd.client.nxagent.extra_args`: `key=value` separated by commas.
 * @throws Fault `session.parameter` for a key that is not allowed, a value that could begin another option, or a repeated key.
 */
export function parseExtraArgs(text: string): ReadonlyMap<string, string> {
  const args = new Map<string, string>()
  for (const word of text.split(',').map((part) => part.trim())) {
    if (word === '') continue
    const match = /^([a-z]+)=([\w.+-]{1,64})$/.exec(word)
    const [key, value] = [match?.[1] ?? '', match?.[2] ?? '']
    if (match === null) throw refused(`"${shortened(word)}" is no option of the form key=value`)
    if (!(ALLOWED as readonly string[]).includes(key)) throw refused(`a client may not set "${key}"`)
    if (args.has(key)) throw refused(`"${key}" is given twice`)
    args.set(key, value)
  }
  return args
}

function refused(problem: string): Fault {
  return new Fault('session.parameter', { parameter: PARAMETER, problem })
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
