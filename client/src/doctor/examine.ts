import { Fault } from '@ostler/contract/fault.ts'
import type { Terminal } from '../terminal.ts'

/** One thing that must hold. */
export interface Check {
  readonly name: string
  /** @returns what was found. @throws Fault that says what is wrong, or `NotChecked`. */
  readonly look: () => Promise<string>
}

/** Checks of which each needs the ones before it. */
export type Chain = readonly Check[]

/** Nothing is wrong; it could not be looked at. */
export class NotChecked extends Error {}

const WIDTH = 16

/**
 * Looks at every chain and prints a line for each check: what holds, what failed with its reason and advice, and what was
 * not looked at because of that.
 * @throws Fault `client.unhealthy` when something failed.
 */
export async function examine(chains: readonly Chain[], terminal: Terminal): Promise<void> {
  let [failed, count] = [0, 0]
  for (const chain of chains) {
    let broken: string | undefined
    for (const { name, look } of chain) {
      count += 1
      const line = (mark: string, text: string): void => {
        terminal.print(`${mark.padEnd(8)}${name.padEnd(WIDTH)}${text}`)
      }
      if (broken !== undefined) {
        line('–', `not checked: ${broken}`)
        continue
      }
      try {
        line('ok', await look())
      } catch (error) {
        if (error instanceof NotChecked) {
          broken = error.message
          line('–', `not checked: ${error.message}`)
        } else if (error instanceof Fault) {
          failed += 1
          broken = `${name} failed`
          line('FAILED', `${error.message} [${error.code}]`)
          terminal.print(`${''.padEnd(8 + WIDTH)}${error.advice}`)
        } else throw error
      }
    }
  }
  if (failed > 0) throw new Fault('client.unhealthy', { failed, count })
}
