import type { Console } from './commands.ts'

/** How words of a command are read; `commands.ts` has the rules. */
export interface Words {
  /** What `-f key=value,…` names; with no keys, nothing may be said. @throws Fault `client.choice`. */
  readonly named: <N extends string, O extends string = never>(
    words: readonly string[],
    needed: readonly N[],
    optional?: readonly O[],
  ) => Record<N, string> & Partial<Record<O, string>>
  /** `key=value` words; one value may come from standard input. @throws Fault `client.choice`. */
  readonly pairs: (words: readonly string[], out: Console) => Promise<Record<string, string>>
}
