import {
  JOBS_PATH,
  type PreviewLine,
  ROLL_OUTS_PATH,
  type RollOutPreview,
  rollOutBody,
  runBody,
} from '@ostler/contract/jobs.ts'
import type { Hono } from 'hono'
import { parseAtTime } from '../model/at-time.ts'
import { isTried, type RollOutSettings } from '../model/roll-out.ts'
import { AT_REST } from '../model/start-queue.ts'
import { imageByName } from '../store/admin.ts'
import type { Db } from '../store/open.ts'
import { type PreviewedDesktop, previewRollOut, runRollOut } from '../store/roll-outs.ts'
import { body } from './body.ts'
import { jobNumber, ORDERED_BY } from './jobs.ts'

/** Previews roll-outs of disk images, and begins what was previewed. */
export function addRollOutRoutes(app: Hono, db: Db): void {
  app.post(ROLL_OUTS_PATH, async (context) => {
    const { di, di_id, tag, canary, wave, pause, soft, hard, idle, ...more } = await body(
      context,
      rollOutBody,
    )
    const times = whenNow({ soft, hard })
    const settings = { canary, wave, pauseMs: pause * 1_000, soft, hard, idle, stopOn: more['stop-on'] }
    const imageId = di_id ?? (await imageByName(db, di ?? ''))
    const preview = await previewRollOut(db, { imageId, tag, settings, by: ORDERED_BY })
    const { jobId, token, image, old, waves, desktops } = preview
    const lines = desktops.map((desktop) => line(desktop, settings, times))
    const answer: RollOutPreview = { job: jobId, token, image, old, tag, waves, lines }
    return context.json(answer, 201)
  })
  app.post(`${JOBS_PATH}/:number/run`, async (context) => {
    const { token } = await body(context, runBody)
    await runRollOut(db, jobNumber(context.req.param('number')), token, ORDERED_BY)
    return context.json({})
  })
}

interface Times {
  readonly soft: Date | undefined
  readonly hard: Date | undefined
}

/** What its times would be if a wave were sent now. @throws Fault `time.invalid`. */
function whenNow({ soft, hard }: Pick<RollOutSettings, 'soft' | 'hard'>): Times {
  const now = new Date()
  const at = (text: string | undefined): Date | undefined =>
    text === undefined ? undefined : parseAtTime(text, now)
  return { soft: at(soft), hard: at(hard) }
}

function line(desktop: PreviewedDesktop, settings: RollOutSettings, times: Times): PreviewLine {
  const { name: vm, state, host, user, runs, wave } = desktop
  return { vm, state, host, user, runs, wave, does: fateOf(desktop, settings, times) }
}

/** What becomes of a desktop when its wave is sent, in words. */
function fateOf(desktop: PreviewedDesktop, settings: RollOutSettings, { soft, hard }: Times): string {
  if (AT_REST.includes(desktop.state))
    return isTried(desktop, settings) ? 'is started to try it' : 'gets it at its next start'
  if (!desktop.used && settings.idle === 'restart') return 'is started anew at once'
  const told = soft === undefined ? [] : [`is told at ${soft.toISOString()}`]
  const ended = hard === undefined ? [] : [`is started anew at ${hard.toISOString()}`]
  const does = [...told, ...ended]
  return does.length === 0 ? 'gets it at its next start' : does.join(', ')
}
