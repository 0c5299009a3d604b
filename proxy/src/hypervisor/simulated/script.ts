import { Fault } from '@ostler/contract/fault.ts'
import { createHash } from 'node:crypto'
import * as z from 'zod'

const ms = z.int().min(0).max(86_400_000)

/** How one boot of a simulated machine goes. Times are milliseconds of its clock, which may run faster than ours. */
const machineScript = z
  .strictObject({
    /** Until its image and folders are ready, or are not. */
    prepareMs: ms.default(0),
    /** The preparation fails with this reason: a full disk, a broken image. */
    prepareFails: z.string().max(200).optional(),
    bootMs: ms.default(0),
    /** The boot fails with this reason. */
    bootFails: z.string().max(200).optional(),
    /** Until the agent listens; null: it never does. */
    agentMs: ms.nullable().default(0),
    /**
     * What it does to its callers: answers; lets them wait; hangs up; answers what means nothing; answers, and is killed and
     * started again every `agentLivesMs`, so that it must enrol anew; or answers, and after that time is gone (`dies`) or says
     * nothing any more (`freezes`).
     */
    agent: z.enum(['answers', 'hangs', 'refuses', 'lies', 'restarts', 'dies', 'freezes']).default('answers'),
    agentLivesMs: ms.default(10_000),
    /** The machine dies by itself so long after its start; null: never. */
    livesMs: ms.nullable().default(null),
    /** For so long after its start nobody can tell whether it runs. */
    unknownMs: ms.default(0),
    /** Until it has halted after it was asked to; null: it does not listen. */
    haltMs: ms.nullable().default(0),
    /** Until nothing is left of it after a kill; null: it cannot be killed. */
    killMs: ms.nullable().default(0),
    /** What `x_start` takes. */
    sessionMs: ms.default(0),
  })
  .prefault({})
export type MachineScript = z.output<typeof machineScript>

const yardRules = z
  .strictObject({
    seed: z.int().default(1),
    /** Seconds of a machine's clock in one of ours. */
    speed: z.number().min(0.01).max(1_000).default(1),
    /**
     * Each boot takes one, as often as its share says: of those for its image, else of those for all images; among these, of those
     * for its desktop, else of those for all desktops.
     */
    scripts: z
      .array(
        z.strictObject({
          share: z.number().min(0).default(1),
          image: z.string().optional(),
          /** Number of the desktop. */
          desktop: z.int().optional(),
          script: machineScript,
        }),
      )
      .default([]),
  })
  .prefault({})
/** How the machines of a yard behave. The same rules give the same script to the same boot, whatever happened before. */
export type YardRules = z.output<typeof yardRules>
export type YardRulesInput = z.input<typeof yardRules>

/** @throws Fault `config.invalid` with what is wrong. */
export function parseYardRules(rules: unknown): YardRules {
  const parsed = yardRules.safeParse(rules)
  if (!parsed.success)
    throw new Fault('config.invalid', {
      problems: `rules of simulated machines: ${z.prettifyError(parsed.error)}`,
    })
  return parsed.data
}

/** The script of one boot of one machine. Pure. */
export function scriptOf(
  rules: YardRules,
  machine: { id: number; image: string },
  boot: number,
): MachineScript {
  const possible = rules.scripts.filter(
    ({ image = machine.image, desktop = machine.id }) => image === machine.image && desktop === machine.id,
  )
  const forImage = thoseOr(possible, ({ image }) => image !== undefined)
  const choices = thoseOr(forImage, ({ desktop }) => desktop !== undefined)
  const total = choices.reduce((sum, { share }) => sum + share, 0)
  let point = fraction(`${rules.seed} ${machine.id} ${boot}`) * total
  const chosen = choices.find(({ share }) => (point -= share) < 0)
  return chosen?.script ?? machineScript.parse({})
}

/** Those for which something holds, where there are any; else all. */
function thoseOr<T>(all: readonly T[], holds: (each: T) => boolean): readonly T[] {
  const those = all.filter(holds)
  return those.length > 0 ? those : all
}

/** A number from 0 to below 1 that a text always gives. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32
}
